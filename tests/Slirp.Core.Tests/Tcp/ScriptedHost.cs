using Slirp.Core.World;
using Slirp.Testing;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>The other end of the host socket that was opened last, or of the one it was told to be.</summary>
public sealed class ScriptedHost(TcpHarness world)
{
    private FakeSocket? _socket;
    private int _heard;

    public FakeSocket Socket
    {
        get => _socket ??= world.Host.Last;
        set => (_socket, _heard) = (value, 0);
    }

    public void Accepts()
    {
        Socket.CompleteConnect();
        world.Turn();
    }

    public void Refuses() => Fails(HostError.ConnectionRefused);

    public void Fails(HostError error)
    {
        Socket.FailConnect(error);
        world.Turn();
    }

    public void Says(ReadOnlySpan<byte> octets)
    {
        Socket.Deliver(octets);
        world.Turn();
    }

    public void Closes()
    {
        Socket.DeliverEndOfFile();
        world.Turn();
    }

    public void Resets()
    {
        Socket.DeliverReset();
        world.Turn();
    }

    /// <summary>Exactly this came, and no more, since the last look.</summary>
    public void Hears(ReadOnlySpan<byte> octets)
    {
        ReadOnlySpan<byte> came = Socket.Sent[_heard..];
        Assert.Equal(octets.Length, came.Length);
        Assert.True(came.SequenceEqual(octets), "other octets than expected");
        _heard = Socket.Sent.Length;
    }

    public void HearsNothing() => Hears([]);

    public void HearsEnd() => Assert.True(Socket.IsSendShutDown, "the sending half is still open");

    public void IsReset()
    {
        Assert.False(Socket.IsOpen, "the socket is still open");
        Assert.True(Socket.WasReset, "the socket was closed politely");
    }

    public void IsClosedPolitely()
    {
        Assert.False(Socket.IsOpen, "the socket is still open");
        Assert.False(Socket.WasReset, "the socket was reset");
    }
}
