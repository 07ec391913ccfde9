namespace Slirp.Cli;

/// <summary>What the caller handed down that <c>run</c> hands on to the command.</summary>
/// <param name="Descriptors">Those above 2 that no option names.</param>
/// <param name="DescriptorSoftLimit">The soft limit on descriptors, before it was raised for our own use.</param>
internal sealed record Inheritance(IReadOnlyCollection<int> Descriptors, ulong? DescriptorSoftLimit);
