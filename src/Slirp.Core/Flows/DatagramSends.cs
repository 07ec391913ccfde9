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
    public static SendOutcome SendAll<TWorld>(
        ref TWorld world, HostSocket socket, IpEndpoint to, ReadOnlySpan<byte> payload, in DatagramOptions options)
        where TWorld : struct, IWorld
    {
        HostError error = Send(ref world, socket, to, payload, options);
        if (error == HostError.None) return default;
        int count = CountOf(payload.Length, options.SegmentSize);
        if (options.SegmentSize == 0 || IsMomentary(error)) return new SendOutcome(error, count, RefusesTrains: false);
        error = SendEach(ref world, socket, to, payload, options, out int lost);
        return new SendOutcome(error, lost, RefusesTrains: lost < count);
    }

    /// <summary>How many datagrams of one size so many octets are.</summary>
    /// <param name="segmentSize">0: they are one.</param>
    public static int CountOf(int octets, int segmentSize) =>
        segmentSize == 0 ? 1 : (octets + segmentSize - 1) / segmentSize;

    /// <summary>The length of each datagram's packet but the last.</summary>
    /// <param name="ipPacket">As the guest has sent it: one, the first of several, or several as one.</param>
    /// <param name="segmentSize">0: they are one.</param>
    public static int PacketLengthOf(ReadOnlySpan<byte> ipPacket, int segmentSize, bool isIpv4)
    {
        int headers = (isIpv4 ? Ipv4View.MinHeaderLength : Ipv6View.HeaderLength) + UdpView.HeaderLength;
        return segmentSize > 0 ? headers + segmentSize : ipPacket.Length;
    }

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

/// <summary>What became of a datagram, or of several.</summary>
/// <param name="Error">Why the first that was lost was not taken.</param>
/// <param name="Lost">How many were not taken.</param>
/// <param name="RefusesTrains">The host has taken alone what it refused together: datagrams so long are not worth a train.</param>
internal readonly record struct SendOutcome(HostError Error, int Lost, bool RefusesTrains);
