using System.Buffers.Binary;
using Slirp.Core.Network;
using Slirp.Core.Tcp;
using Slirp.Core.Tests.Network;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>Connections and the host's own addresses: closed roads, and addresses that go away.</summary>
public sealed class HostAddressTests : TcpConversation
{
    private static readonly HostAddresses Here = HostAddressesTests.Of("198.51.100.1/32", "2001:db8:1::1/128");

    [Theory]
    [InlineData("10.0.2.2")]
    [InlineData("192.0.2.1")]
    [InlineData("fd00::2")]
    [InlineData("fe80::2")]
    [InlineData("2001:db8::1")]
    public void A_closed_road_is_a_network_unreachable_about_the_SYN(string destination)
    {
        Restart(new TcpHarnessOptions { EnableHostLoopback = false });
        World.Map.HostAddresses = HostAddressesTests.Of("192.0.2.1/32", "2001:db8::1/128");
        IpEndpoint to = FrameFactory.Endpoint(destination, 80);
        bool v4 = to.Address.IsIpv4;
        Guest = new ScriptedGuest(World, v4 ? GuestEnd : GuestEnd6, to);
        Guest.Sends(Syn);
        SentPacket icmp = Assert.Single(World.Host.TakePackets());
        Assert.Equal(v4 ? (3, 0) : (1, 0), (icmp.IcmpType, icmp.IcmpCode));
        int tcp = v4 ? 20 : 40;
        ReadOnlySpan<byte> quoted = icmp.IcmpBody;
        Assert.Equal(to.Address, v4 ? IpAddress.ReadIpv4(quoted[16..]) : IpAddress.ReadIpv6(quoted[24..]));
        Assert.Equal(Guest.Local.Port, BinaryPrimitives.ReadUInt16BigEndian(quoted[tcp..]));
        Assert.Equal(Guest.Iss.Value, BinaryPrimitives.ReadUInt32BigEndian(quoted[(tcp + 4)..]));
        Assert.Empty(World.Host.Sockets);
        Dropped(DropReason.RefusedByGate);
        FlowIsGone();
    }

    [Fact]
    public void Connections_from_an_address_that_is_gone_are_reset_and_the_others_live()
    {
        Guest.Connects();
        Host.Socket.LocalAddress = IpAddress.Parse("198.51.100.2");
        ScriptedGuest other = AnotherGuest(40001);
        other.Connects();
        var otherHost = new ScriptedHost(World);
        otherHost.Socket.LocalAddress = IpAddress.Parse("198.51.100.1");
        World.Engine.ResetLost(Here);
        World.Turn();
        Guest.Receives(RstAck);
        Host.IsReset();
        FlowIsGone();
        other.Sends(Ack, data: "still here"u8);
        other.Receives(Ack, ack: 11);
        otherHost.Hears("still here"u8);
        Assert.Equal(1, World.Engine.Flows.Count);
    }

    [Fact]
    public void A_connect_under_way_is_forgotten_and_the_repeated_SYN_begins_another()
    {
        Guest.Sends(Syn);
        Host.Socket.LocalAddress = IpAddress.Parse("198.51.100.2");
        World.Engine.ResetLost(Here);
        World.Turn();
        Guest.ReceivesNothing();
        FlowIsGone();
        Guest.Sends(Syn);
        Assert.Equal(2, World.Host.Sockets.Count);
        Host = new ScriptedHost(World);
        Host.Accepts();
        Guest.Receives(SynAck, ack: 1);
    }

    [Fact]
    public void A_connection_whose_socket_is_closed_ends_in_its_own_time()
    {
        Guest.Connects();
        Host.Socket.LocalAddress = IpAddress.Parse("198.51.100.2");
        Guest.Sends(FinAck);
        Guest.Receives(Ack);
        Host.Closes();
        Guest.Receives(FinAck);
        FlowIs(GuestTcpState.LastAck);
        Assert.Equal(0, World.Host.OpenCount);
        World.Engine.ResetLost(Here);
        World.Turn();
        Guest.ReceivesNothing();
        FlowIs(GuestTcpState.LastAck);
    }
}
