using Slirp.Core.Flows;
using Slirp.Core.Tcp;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>One connection between a scripted guest and a scripted host, and the engine between them. When a test ends
/// every flow is closed, and then no slot, promise, timer or socket may be left.</summary>
public abstract class TcpConversation : IDisposable
{
    protected const TcpFlags Syn = TcpFlags.Syn, Ack = TcpFlags.Ack, Fin = TcpFlags.Fin, Rst = TcpFlags.Rst;
    protected const TcpFlags SynAck = Syn | Ack, FinAck = Fin | Ack, RstAck = Rst | Ack;

    protected static readonly IpEndpoint GuestEnd = FrameFactory.Endpoint("10.0.2.100", 40000);
    protected static readonly IpEndpoint ServerEnd = FrameFactory.Endpoint("192.0.2.7", 80);
    protected static readonly IpEndpoint GuestEnd6 = FrameFactory.Endpoint("fd00::100", 40000);
    protected static readonly IpEndpoint ServerEnd6 = FrameFactory.Endpoint("2001:db8::7", 80);

    protected TcpConversation(TcpHarnessOptions? options = null)
    {
        World = new TcpHarness(options);
        Guest = new ScriptedGuest(World, GuestEnd, ServerEnd);
        Host = new ScriptedHost(World);
    }

    protected TcpHarness World { get; private set; }
    protected ScriptedGuest Guest { get; set; }
    protected ScriptedHost Host { get; set; }

    protected static byte[] Octets(int length, int seed = 1) => FrameFactory.Pattern(length, seed);

    public void Dispose()
    {
        World.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Begins again in another world, before anything was said in the first one.</summary>
    protected void Restart(TcpHarnessOptions options)
    {
        World.Dispose();
        World = new TcpHarness(options);
        Guest = new ScriptedGuest(World, GuestEnd, ServerEnd);
        Host = new ScriptedHost(World);
    }

    protected ScriptedGuest AnotherGuest(int port) =>
        new(World, new IpEndpoint(GuestEnd.Address, (ushort)port), ServerEnd);

    protected TcpFlow Flow => World.Engine.Flows.TryFind(new FlowKey(Guest.Local, Guest.Remote), out TcpFlow? flow)
        ? flow : throw new InvalidOperationException("the flow is gone");

    protected void FlowIsGone() =>
        Assert.False(World.Engine.Flows.TryFind(new FlowKey(Guest.Local, Guest.Remote), out _), "the flow is still there");

    protected void FlowIs(GuestTcpState state) => Assert.Equal(state, Flow.Guest);

    protected void Dropped(DropReason reason, int count = 1) => Assert.Equal(count, World.Counters.Dropped(reason));
}
