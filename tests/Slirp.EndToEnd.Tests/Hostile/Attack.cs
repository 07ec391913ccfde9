namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>Frames of one kind that nobody should send.</summary>
/// <param name="Scenario">Its number in the list of tests/README.md.</param>
/// <param name="Shows">The drop or counter that rises by it; null where the frames are odd and right.</param>
/// <param name="Frames">From the Ethernet header on; made when they are sent.</param>
/// <param name="Times">How often it shows; null where once for each frame.</param>
internal sealed record Attack(string Scenario, string? Shows, IEnumerable<byte[]> Frames, int? Times = null);
