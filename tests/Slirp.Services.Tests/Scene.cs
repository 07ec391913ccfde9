using System.Text;
using Slirp.Core;
using Slirp.Core.Link;
using Slirp.Core.Memory;
using Slirp.Core.Network;
using Slirp.Core.Timers;
using Slirp.Core.World;
using Slirp.Services.Dns;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Services.Tests;

/// <summary>One guest, our services, and a scripted host, on a clock that moves when told to.</summary>
internal sealed class Scene : IDisposable
{
    public static readonly MacAddress GuestMac = FrameFactory.GuestMac;
    public static readonly MacAddress OurMac = FrameFactory.OurMac;

    private readonly TimerWheel _timers;

    public Scene(string resolvConf = "nameserver 192.0.2.1\n", NetworkPlan? plan = null, LinkResult link = LinkResult.Ok,
        LinkOffloads offloads = LinkOffloads.All)
    {
        Plan = plan ?? FrameFactory.Plan;
        Host.LinkResult = link;
        _timers = new TimerWheel(Clock.Now);
        var world = new FakeWorld(Host);
        var sender = new FrameSender<FakeWorld>(world, offloads, Plan.Mtu, Plan.OurMac, Counters);
        Services = new GuestServices<FakeWorld>(
            world, sender, Plan, _timers, Counters, Pool, ResolverConfiguration.Parse(Encoding.ASCII.GetBytes(resolvConf)), Clock.Now);
    }

    public NetworkPlan Plan { get; }
    public FakeHost Host { get; } = new();
    public FakeClock Clock { get; } = new();
    public Counters Counters { get; } = new();
    public FramePool Pool { get; } = new(16 << 20, poison: true);
    public GuestServices<FakeWorld> Services { get; }

    /// <summary>A scene in which the first router advertisement is past.</summary>
    public static Scene Quiet(string resolvConf = "nameserver 192.0.2.1\n", NetworkPlan? plan = null)
    {
        var scene = new Scene(resolvConf, plan);
        scene.Host.Frames.Clear();
        return scene;
    }

    public void Dispose() => Assert.Equal(0, Pool.InUse);

    public bool Udp(IpEndpoint from, IpEndpoint to, ReadOnlySpan<byte> payload, MacAddress? mac = null) =>
        Services.OnDatagram(new LocalDatagram(mac ?? GuestMac, from, to), payload, Clock.Now);

    public void Arp(in ArpFields fields)
    {
        Span<byte> packet = stackalloc byte[ArpBuilder.Length];
        ArpBuilder.Write(packet, fields);
        Services.OnArp(GuestMac, packet, Clock.Now);
    }

    public void UpdateResolvers(string resolvConf) =>
        Services.UpdateResolvers(ResolverConfiguration.Parse(Encoding.ASCII.GetBytes(resolvConf)), Clock.Now);

    /// <summary>Lets time pass, firing timers when they are due.</summary>
    public void Pass(TimeSpan span)
    {
        Instant end = Clock.Now + span;
        while (_timers.NextWake() is Instant wake && wake <= end)
        {
            Clock.Advance(wake > Clock.Now ? wake - Clock.Now : TimeSpan.Zero);
            while (_timers.TryTakeDue(Clock.Now, out EventTarget target)) Services.OnTimer(target, Clock.Now);
        }
        Clock.Advance(end - Clock.Now);
    }

    public void PassMilliseconds(double milliseconds) => Pass(TimeSpan.FromMilliseconds(milliseconds));

    /// <summary>Hands over what the host's sockets have raised.</summary>
    public void Pump()
    {
        while (Host.TryTakeEvent(out EventTarget target, out HostEvents events)) Services.OnEvent(target, events, Clock.Now);
    }

    public SentPacket TakeOne() => Assert.Single(Host.TakePackets());

    public void ExpectNothing() => Assert.Empty(Host.Frames);

    /// <summary>Exactly this was counted as dropped since the scene began, once.</summary>
    public void ExpectDrop(DropReason reason)
    {
        Assert.Equal(1, Counters.Dropped(reason));
        Assert.Equal(1, Counters.DroppedInAll());
    }
}
