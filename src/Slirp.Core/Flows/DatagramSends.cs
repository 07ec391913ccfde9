using Slirp.Core.World;
using Slirp.Wire;

namespace Slirp.Core.Flows;

/// <summary>Datagrams to a host socket that may have an answer to an earlier one.</summary>
internal static class DatagramSends
{
    /// <summary>Sends, once more if the first answer may have been about an earlier datagram.</summary>
    public static HostError Send<TWorld>(
        ref TWorld world, HostSocket socket, IpEndpoint to, ReadOnlySpan<byte> payload, in DatagramOptions options)
        where TWorld : struct, IWorld
    {
        IoResult result = world.SendTo(socket, to, payload, options);
        if (!result.IsOk && !IsMomentary(result.Error)) result = world.SendTo(socket, to, payload, options);
        return result.Error;
    }

    /// <summary>Sends one by one what could not be sent as a train.</summary>
    /// <param name="lost">How many were not taken.</param>
    /// <returns>Why the first of those was not.</returns>
    public static HostError SendEach<TWorld>(
        ref TWorld world, HostSocket socket, IpEndpoint to, ReadOnlySpan<byte> payload, in DatagramOptions options, out int lost)
        where TWorld : struct, IWorld
    {
        DatagramOptions single = options with { SegmentSize = 0 };
        var first = HostError.None;
        lost = 0;
        while (!payload.IsEmpty)
        {
            HostError error = Send(ref world, socket, to, payload[..Math.Min(options.SegmentSize, payload.Length)], single);
            if (error != HostError.None && first == HostError.None) first = error;
            if (IsMomentary(error)) // no room for this one, nor for those behind it
            {
                lost += CountOf(payload.Length, options.SegmentSize);
                return first;
            }
            if (error != HostError.None) lost++;
            payload = payload[Math.Min(options.SegmentSize, payload.Length)..];
        }
        return first;
    }

    /// <summary>How many datagrams of one size so many octets are.</summary>
    /// <param name="segmentSize">0: they are one.</param>
    public static int CountOf(int octets, int segmentSize) =>
        segmentSize == 0 ? 1 : (octets + segmentSize - 1) / segmentSize;

    /// <summary>The host has no room now: lost, as on any full queue.</summary>
    public static bool IsMomentary(HostError error) => error is HostError.WouldBlock or HostError.NoBuffers;
}
