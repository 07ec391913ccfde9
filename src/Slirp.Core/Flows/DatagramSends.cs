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

    /// <summary>Sends one datagram or a train, one by one if the host refuses it as a train.</summary>
    /// <param name="trainLimit">The longest datagram that is worth a train: less, once the host refused one whose datagrams
    /// it then took alone.</param>
    /// <param name="lost">How many were not taken.</param>
    /// <returns>Why the first of those was not.</returns>
    public static HostError SendAll<TWorld>(
        ref TWorld world, HostSocket socket, IpEndpoint to, ReadOnlySpan<byte> payload, in DatagramOptions options,
        ref int trainLimit, out int lost)
        where TWorld : struct, IWorld
    {
        lost = 0;
        HostError error = Send(ref world, socket, to, payload, options);
        if (error == HostError.None) return error;
        int count = CountOf(payload.Length, options.SegmentSize);
        lost = count;
        if (options.SegmentSize == 0 || IsMomentary(error)) return error;
        error = SendEach(ref world, socket, to, payload, options, out lost);
        if (lost < count) trainLimit = Math.Min(trainLimit, options.SegmentSize - 1);
        return error;
    }

    /// <summary>How many datagrams of one size so many octets are.</summary>
    /// <param name="segmentSize">0: they are one.</param>
    public static int CountOf(int octets, int segmentSize) =>
        segmentSize == 0 ? 1 : (octets + segmentSize - 1) / segmentSize;

    /// <summary>The host has no room now: lost, as on any full queue.</summary>
    public static bool IsMomentary(HostError error) => error is HostError.WouldBlock or HostError.NoBuffers;

    private static HostError SendEach<TWorld>(
        ref TWorld world, HostSocket socket, IpEndpoint to, ReadOnlySpan<byte> payload, in DatagramOptions options, out int lost)
        where TWorld : struct, IWorld
    {
        DatagramOptions single = options with { SegmentSize = 0 };
        var first = HostError.None;
        lost = 0;
        while (!payload.IsEmpty)
        {
            ReadOnlySpan<byte> datagram = payload[..Math.Min(options.SegmentSize, payload.Length)];
            HostError error = Send(ref world, socket, to, datagram, single);
            if (error != HostError.None && first == HostError.None) first = error;
            if (IsMomentary(error)) // no room for this one, nor for those behind it
            {
                lost += CountOf(payload.Length, options.SegmentSize);
                return first;
            }
            if (error != HostError.None) lost++;
            payload = payload[datagram.Length..];
        }
        return first;
    }
}
