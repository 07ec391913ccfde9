using System.Buffers.Binary;
using Slirp.Core.Ip;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Ip;

/// <summary>A reassembler that is handed packets as the dispatcher would hand them.</summary>
internal sealed class ReassemblerHarness
{
    public static readonly IpEndpoint Guest = FrameFactory.Endpoint("10.0.2.100", 5000);
    public static readonly IpEndpoint Guest6 = FrameFactory.Endpoint("fd00::100", 5000);
    public static readonly IpEndpoint Server = FrameFactory.Endpoint("192.0.2.7", 4000);
    public static readonly IpEndpoint Server6 = FrameFactory.Endpoint("2001:db8::7", 4000);

    private readonly Reassembler<FakeWorld> _reassembler;

    public ReassemblerHarness(DatagramLimits? limits = null, bool poison = true)
    {
        Pool = new FramePool(64 << 20, poison);
        Timers = new TimerWheel(Clock.Now);
        var sender = new FrameSender<FakeWorld>(new FakeWorld(Host), LinkOffloads.All, 1500, FrameFactory.OurMac, Counters);
        _reassembler = new Reassembler<FakeWorld>(Pool, sender, FrameFactory.Plan, Timers, Counters, limits ?? new DatagramLimits());
    }

    public FakeHost Host { get; } = new();
    public FakeClock Clock { get; } = new();
    public Counters Counters { get; } = new();
    public FramePool Pool { get; }
    public TimerWheel Timers { get; }
    public int Count => _reassembler.Count;

    /// <summary>A UDP packet of one length or the other, as a guest would fragment it.</summary>
    public static byte[] Packet(bool v4, int payload, int seed = 1) =>
        v4 ? FrameFactory.Udp(Guest, Server, FrameFactory.Pattern(payload, seed)) : FrameFactory.Udp(Guest6, Server6, FrameFactory.Pattern(payload, seed));

    /// <summary>Hands in one fragment; the whole packet if it was the last missing.</summary>
    public byte[]? Add(byte[] fragment)
    {
        bool isWhole;
        ReassembledPacket packet;
        if (fragment[0] >> 4 == 4)
        {
            Assert.True(Ipv4View.TryParse(fragment, out Ipv4View ip));
            isWhole = _reassembler.TryAdd(FrameFactory.GuestMac, ip, Clock.Now, out packet);
        }
        else
        {
            Assert.True(Ipv6View.TryParse(fragment, out Ipv6View ip));
            Assert.True(Ipv6Extensions.TryWalk(ip, out Ipv6UpperLayer upper));
            isWhole = _reassembler.TryAdd(FrameFactory.GuestMac, ip, upper, Clock.Now, out packet);
        }
        if (!isWhole) return null;
        byte[] octets = Pool.Octets(packet.Frame).Slice(packet.Offset, packet.Length).ToArray();
        Pool.Release(packet.Frame);
        if (octets[0] >> 4 == 4) ForgetIdentification(octets);
        return octets;
    }

    /// <summary>Hands in fragments of which only the last may complete a packet.</summary>
    public byte[]? AddAll(IEnumerable<byte[]> fragments)
    {
        byte[]? whole = null;
        foreach (byte[] fragment in fragments)
        {
            Assert.Null(whole);
            whole = Add(fragment);
        }
        return whole;
    }

    public void Wait(double seconds)
    {
        Clock.AdvanceSeconds(seconds);
        while (Timers.TryTakeDue(Clock.Now, out EventTarget target))
        {
            Assert.Equal(EventKind.FragmentExpiry, target.Kind);
            _reassembler.OnTimer(target, Clock.Now);
        }
    }

    public void AssertNothingHeld()
    {
        Assert.Equal(0, Count);
        Assert.Equal(0, Pool.InUse);
        Assert.Equal(0, Timers.Count);
    }

    public void CloseAll() => _reassembler.CloseAll();

    /// <summary>Packets are composed with an identification of 0, their fragments carry another.</summary>
    private static void ForgetIdentification(byte[] packet)
    {
        int headerLength = (packet[0] & 15) * 4;
        Assert.Equal(0xffff, FrameFactory.SlowSum(packet.AsSpan(0, headerLength)));
        packet[4] = packet[5] = packet[10] = packet[11] = 0;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(10), (ushort)~FrameFactory.SlowSum(packet.AsSpan(0, headerLength)));
    }
}
