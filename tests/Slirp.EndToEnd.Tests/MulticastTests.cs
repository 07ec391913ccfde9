using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Scenario 45: a guest looks for devices by asking a group, and whoever answers it is heard.</summary>
public class MulticastTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork, V6 = AddressFamily.InterNetworkV6;

    /// <summary>The groups of SSDP and mDNS, with the hop limits that their programs send with: the machine beyond drops
    /// what comes with another.</summary>
    [EndToEndTheory(SlirpnetOnly = true, Tools = "nft")]
    [InlineData(V4, "239.255.255.250", 4)]
    [InlineData(V4, "224.0.0.251", 255)]
    [InlineData(V6, "ff02::c", 1)]
    [InlineData(V6, "ff05::c", 255)]
    public Task A_group_is_asked_and_an_answer_is_heard(AddressFamily family, string group, int hopLimit) =>
        WithUplinkAsync([], async (network, uplink) =>
        {
            string field = family == V4 ? "ip ttl" : "ip6 hoplimit";
            (await uplink.Machine.RunAsync("nft",
                $"add table inet t; add chain inet t in {{ type filter hook input priority 0; }}; add rule inet t in meta l4proto udp {field} != {hopLimit} drop"))
                .Succeeded();
            using Socket member = Member(uplink, IPAddress.Parse(group), Uplink.Far(family));
            using Socket guest = Asker(network, family, hopLimit);
            for (int i = 0; i < 3; i++) await AskAsync(guest, member, IPAddress.Parse(group));
        });

    /// <summary>Members on the host itself are the host's loopback as much as anything else there.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(V4, "239.255.255.250", true)]
    [InlineData(V4, "239.255.255.250", false)]
    [InlineData(V6, "ff02::c", true)]
    [InlineData(V6, "ff02::c", false)]
    public Task The_host_s_own_members_hear_it_unless_host_loopback_is_disabled(AddressFamily family, string group, bool isDisabled) =>
        WithUplinkAsync(isDisabled ? ["--disable-host-loopback"] : [], async (network, uplink) =>
        {
            using Socket far = Member(uplink, IPAddress.Parse(group), Uplink.Far(family));
            using Socket own = Member(network.Host, IPAddress.Parse(group), IPAddress.Parse(Uplink.First(family)), Port(far));
            using Socket guest = Asker(network, family, 1);
            await AskAsync(guest, far, IPAddress.Parse(group));
            await AskAsync(guest, far, IPAddress.Parse(group)); // what the first one left on the host has arrived by now
            if (isDisabled) Assert.Equal(0, own.Available);
            else Assert.Equal(1, await own.ReceiveAsync(new byte[9]).WithinAsync("what the host's member hears"));
        });

    /// <summary>One datagram to the group and back from the member.</summary>
    private static async Task AskAsync(Socket guest, Socket member, IPAddress group)
    {
        await guest.SendToAsync("?"u8.ToArray(), new IPEndPoint(group, Port(member)));
        var buffer = new byte[9];
        var anybody = new IPEndPoint(guest.AddressFamily == V4 ? IPAddress.Any : IPAddress.IPv6Any, 0);
        SocketReceiveFromResult asked = await member.ReceiveFromAsync(buffer, anybody).WithinAsync("what the member hears");
        Assert.Equal(1, asked.ReceivedBytes);
        await member.SendToAsync("I am"u8.ToArray(), asked.RemoteEndPoint);
        SocketReceiveFromResult answer = await guest.ReceiveFromAsync(buffer, anybody).WithinAsync("the member's answer");
        var answerer = (IPEndPoint)answer.RemoteEndPoint;
        Assert.Equal((4, Port(member)), (answer.ReceivedBytes, answerer.Port));
        // On a link's group IPv6 hosts speak from their addresses on the link.
        if (!answerer.Address.IsIPv6LinkLocal) Assert.Equal(Uplink.Far(guest.AddressFamily), answerer.Address);
    }

    private static Socket Asker(GuestNetwork network, AddressFamily family, int hopLimit)
    {
        Socket guest = OutboundAddressTests.Unconnected(network, family);
        SocketOptionLevel level = family == V4 ? SocketOptionLevel.IP : SocketOptionLevel.IPv6;
        guest.SetSocketOption(level, SocketOptionName.MulticastTimeToLive, hopLimit);
        return guest;
    }

    private static Socket Member(ISocketPlace place, IPAddress group, IPAddress address, int port = 0)
    {
        Socket member = place.CreateSocket(group.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        bool v4 = group.AddressFamily == V4;
        member.Bind(new IPEndPoint(v4 ? IPAddress.Any : IPAddress.IPv6Any, port));
        if (v4) member.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.AddMembership, new MulticastOption(group, address));
        else member.SetSocketOption(SocketOptionLevel.IPv6, SocketOptionName.AddMembership, new IPv6MulticastOption(group));
        return member;
    }

    private static int Port(Socket socket) => ((IPEndPoint)socket.LocalEndPoint!).Port;

    private static Task WithUplinkAsync(string[] options, Func<GuestNetwork, Uplink, Task> test) =>
        OutboundAddressTests.WithUplinkAsync(options, test, before: uplink => uplink.HostAsync($"route add default via {Uplink.Far(V4)}"));
}
