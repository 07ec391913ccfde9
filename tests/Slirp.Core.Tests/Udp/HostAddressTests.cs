using Slirp.Core.Network;
using Slirp.Core.Tests.Network;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using static Slirp.Core.Tests.DatagramHarness;

namespace Slirp.Core.Tests.Udp;

/// <summary>Datagrams, echo, and the host's own addresses: closed roads, and addresses that go away.</summary>
public sealed class HostAddressTests
{
    private static readonly IpAddress Gone = IpAddress.Parse("198.51.100.2");
    private static readonly HostAddresses Here = HostAddressesTests.Of("198.51.100.1/32", "192.0.2.7/32", "2001:db8::7/128");

    private readonly DatagramHarness _h = new(plan: FrameFactory.Plan with { EnableHostLoopback = false });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_address_of_the_host_is_closed_for_datagrams_and_echo(bool v4)
    {
        (IpEndpoint guest, IpEndpoint server) = Pair(v4);
        _h.Map.HostAddresses = Here;
        _h.GuestSendsUdp(guest, server, "x"u8);
        _h.GuestSends(FrameFactory.Echo(guest.Address, server.Address, 1, 1, "ping"u8));
        Assert.Empty(_h.Host.Sockets);
        List<SentPacket> errors = _h.GuestReceives();
        Assert.Equal(2, errors.Count);
        Assert.All(errors, error => Assert.Equal(v4 ? (3, 13) : (1, 1), (error.IcmpType, error.IcmpCode)));
        Assert.Equal(2, _h.Counters.Dropped(DropReason.RefusedByGate));
    }

    [Fact]
    public void A_destination_that_becomes_the_hosts_own_is_closed_for_a_mapping_that_knows_it()
    {
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.GuestSends(FrameFactory.Echo(Guest.Address, Server.Address, 1, 1, "ping"u8));
        _h.Map.HostAddresses = Here;
        _h.Udp.ForgetDestinations();
        _h.Icmp.ForgetDestinations();
        _h.GuestSendsUdp(Guest, Server, "x"u8);
        _h.GuestSends(FrameFactory.Echo(Guest.Address, Server.Address, 1, 2, "ping"u8));
        Assert.Equal(2, _h.Counters.Dropped(DropReason.RefusedByGate));
        Assert.All(_h.Host.Sockets, socket => Assert.Single(socket.Datagrams));
        _h.GuestReceives();
        _h.AssertCloses();
    }

    [Fact]
    public void Mappings_bound_to_an_address_that_is_gone_are_replaced_and_the_others_stay()
    {
        FakeSocket Sends(int port)
        {
            _h.GuestSendsUdp(Guest with { Port = (ushort)port }, Server, "x"u8);
            return _h.Host.Last;
        }

        FakeSocket unbound = Sends(1), bound = Sends(2), lost = Sends(3);
        bound.LocalAddress = IpAddress.Parse("198.51.100.1");
        lost.LocalAddress = Gone;
        _h.GuestSends(FrameFactory.Echo(Guest.Address, Server.Address, 1, 1, "ping"u8));
        FakeSocket ping = _h.Host.Last;
        ping.LocalAddress = Gone;
        _h.Udp.CloseLost(Here);
        _h.Icmp.CloseLost(Here);
        Assert.Equal((true, true, false, false), (unbound.IsOpen, bound.IsOpen, lost.IsOpen, ping.IsOpen));
        Assert.Equal(2, _h.Udp.Mappings.Count);

        Assert.NotSame(lost, Sends(3));
        _h.GuestSends(FrameFactory.Echo(Guest.Address, Server.Address, 1, 2, "ping"u8));
        Assert.Equal(6, _h.Host.Sockets.Count);
        _h.AssertCloses();
    }
}
