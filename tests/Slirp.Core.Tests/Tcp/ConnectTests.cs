using Slirp.Core.Tcp;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Tcp;

/// <summary>SYN-HELD: the guest learns what its own connect would have learnt on the host, and nothing before.</summary>
public sealed class ConnectTests : TcpConversation
{
    [Fact]
    public void The_answer_waits_for_the_host()
    {
        Guest.Sends(Syn);
        Guest.ReceivesNothing();
        FlowIs(GuestTcpState.SynHeld);
        Assert.Equal(ServerEnd, Host.Socket.Peer);
        World.AdvanceSeconds(20);
        Guest.ReceivesNothing();
        Host.Accepts();
        Guest.Receives(SynAck, ack: 1);
        FlowIs(GuestTcpState.SynReceived);
        Guest.Sends(Ack);
        Guest.ReceivesNothing();
        FlowIs(GuestTcpState.Established);
    }

    [Fact]
    public void A_connect_that_succeeds_at_once_is_answered_at_once()
    {
        World.Host.ConnectOutcome = static _ => HostError.None;
        Guest.Sends(Syn);
        Guest.Receives(SynAck, ack: 1);
        Guest.Sends(Ack);
        Host.Says("hello"u8);
        Guest.Receives("hello"u8);
    }

    [Fact]
    public void Works_the_same_over_IPv6()
    {
        Guest = new ScriptedGuest(World, GuestEnd6, ServerEnd6) { SynOptions = new TcpOptions { Mss = 1440 } };
        Guest.Connects();
        Guest.Sends(Ack, data: "ping"u8);
        Guest.Receives(Ack, ack: 5);
        Host.Hears("ping"u8);
        Host.Says("pong"u8);
        Guest.Receives("pong"u8);
    }

    [Fact]
    public void The_gateway_stands_for_the_hosts_loopback()
    {
        Guest = new ScriptedGuest(World, GuestEnd, FrameFactory.Endpoint("10.0.2.2", 8080));
        Guest.Connects();
        Assert.Equal(FrameFactory.Endpoint("127.0.0.1", 8080), Host.Socket.Peer);
    }

    [Fact]
    public void What_the_server_says_at_once_arrives_though_it_came_with_the_connection()
    {
        Guest.Sends(Syn);
        // One event: connected and readable. Its edge comes once.
        Host.Socket.CompleteConnect();
        Host.Socket.Deliver("220 ready"u8);
        World.Turn();
        Guest.Receives(SynAck);
        Guest.Sends(Ack);
        Guest.Receives("220 ready"u8);
    }

    [Fact]
    public void A_server_that_speaks_and_closes_at_once_is_heard_to_the_end()
    {
        Guest.Sends(Syn);
        Host.Socket.CompleteConnect();
        Host.Socket.Deliver("421 busy"u8);
        Host.Socket.DeliverEndOfFile();
        World.Turn();
        Guest.Receives(SynAck);
        Guest.Sends(Ack);
        Guest.Receives("421 busy"u8);
        Guest.Receives(FinAck);
        FlowIs(GuestTcpState.FinWait1);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Refused_is_a_reset_that_the_guest_believes(bool atOnce)
    {
        if (atOnce) World.Host.ConnectOutcome = static _ => HostError.ConnectionRefused;
        Guest.Sends(Syn);
        if (!atOnce) Host.Refuses();
        SentPacket reset = Guest.Receives(RstAck, ack: 1); // RFC 9293 section 3.10.7.1: SEQ=0, ACK=SEG.SEQ+SEG.LEN
        Assert.Equal(0u, reset.Tcp.Sequence.Value);
        FlowIsGone();
        Assert.Equal(0, World.Host.OpenCount);
    }

    /// <summary>Linux wakes whoever waits for a connect when it queues an ICMP error about it, before it gives it up.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_error_event_before_the_outcome_is_no_connection(bool isAcceptedInTheEnd)
    {
        Guest.Sends(Syn);
        Host.Socket.Raise(HostEvents.Error);
        World.Turn();
        Guest.ReceivesNothing();
        FlowIs(GuestTcpState.SynHeld);
        if (isAcceptedInTheEnd)
        {
            Host.Accepts();
            Guest.Receives(SynAck, ack: 1);
            return;
        }
        Host.Fails(HostError.HostUnreachable);
        Assert.Equal(3, Assert.Single(World.Host.TakePackets()).IcmpType);
        FlowIsGone();
    }

    [Theory]
    [InlineData(HostError.HostUnreachable, 3, 1, 1, 3)]
    [InlineData(HostError.NetworkUnreachable, 3, 0, 1, 0)]
    [InlineData(HostError.AddressNotAvailable, 3, 0, 1, 0)]
    [InlineData(HostError.NotSupported, 3, 0, 1, 0)]
    [InlineData(HostError.AccessDenied, 3, 13, 1, 1)]
    public void Unreachable_is_the_ICMP_error_about_the_SYN(HostError error, byte type4, byte code4, byte type6, byte code6)
    {
        foreach (bool v4 in new[] { true, false })
        {
            Guest = v4 ? Guest : new ScriptedGuest(World, GuestEnd6, ServerEnd6);
            Host = new ScriptedHost(World);
            Guest.Sends(Syn);
            Host.Fails(error);
            SentPacket icmp = Assert.Single(World.Host.TakePackets());
            Assert.Equal(v4 ? (type4, code4) : (type6, code6), (icmp.IcmpType, icmp.IcmpCode));
            Assert.Equal(World.Plan.GatewayFor(Guest.Local.Address), icmp.From);
            SentPacket quoted = SentPacket.ParseIp(Padded(icmp.IcmpBody));
            Assert.Equal((Guest.Local, Guest.Remote), (quoted.Source, quoted.Destination));
            Assert.Equal(Guest.Iss, quoted.Tcp.Sequence);
            FlowIsGone();
        }

        // The quotation has no checksum of its own; make it right for the parser.
        static byte[] Padded(ReadOnlySpan<byte> packet)
        {
            byte[] octets = packet.ToArray();
            bool v4 = octets[0] >> 4 == 4;
            int l4 = v4 ? 20 : 40;
            IpAddress from = v4 ? IpAddress.ReadIpv4(octets.AsSpan(12)) : IpAddress.ReadIpv6(octets.AsSpan(8));
            IpAddress to = v4 ? IpAddress.ReadIpv4(octets.AsSpan(16)) : IpAddress.ReadIpv6(octets.AsSpan(24));
            TcpBuilder.WriteChecksum(octets.AsSpan(l4), 0);
            ushort sum = FrameFactory.SlowSum(octets.AsSpan(l4), FrameFactory.PseudoHeaderSum(from, to, IpProtocol.Tcp, octets.Length - l4));
            TcpBuilder.WriteChecksum(octets.AsSpan(l4), (ushort)~sum);
            return octets;
        }
    }

    [Fact]
    public void A_connect_that_times_out_ends_in_silence()
    {
        Guest.Sends(Syn);
        Host.Fails(HostError.TimedOut);
        Guest.ReceivesNothing();
        FlowIsGone();
    }

    [Fact]
    public void Without_descriptors_the_oldest_connect_makes_room()
    {
        World.Host.DescriptorLimit = 3;
        for (int port = 1; port <= 3; port++) AnotherGuest(port).Sends(Syn);
        FakeSocket oldest = World.Host.Sockets[0];
        Guest.Sends(Syn);
        Assert.False(oldest.IsOpen);
        Assert.Equal(4, World.Host.Sockets.Count);
        Host.Accepts();
        Guest.Receives(SynAck);
        Assert.Equal(3, World.Engine.Flows.Count);
    }

    [Fact]
    public void Without_descriptors_and_nobody_to_give_one_the_SYN_is_left_to_come_again()
    {
        World.Host.DescriptorLimit = 0;
        Guest.Sends(Syn);
        Guest.ReceivesNothing();
        FlowIsGone();
        Dropped(DropReason.TcpNoDescriptor);
        World.Host.DescriptorLimit = 1;
        Guest.Sends(Syn);
        Host.Accepts();
        Guest.Receives(SynAck);
    }

    [Fact]
    public void A_host_without_memory_is_no_full_table()
    {
        World.Host.ConnectOutcome = static _ => HostError.NoBuffers;
        Guest.Sends(Syn);
        Guest.ReceivesNothing();
        FlowIsGone();
        Dropped(DropReason.TcpConnectFailed);
        Dropped(DropReason.TcpFlowLimit, 0);
    }

    [Fact]
    public void A_repeated_SYN_opens_no_second_socket()
    {
        Guest.Sends(Syn);
        World.AdvanceSeconds(1);
        Guest.Sends(Syn);
        World.AdvanceSeconds(2);
        Guest.Sends(Syn);
        Assert.Single(World.Host.Sockets);
        Guest.ReceivesNothing();
        Host.Accepts();
        Guest.Receives(SynAck, ack: 1);
        Guest.ReceivesNothing();
    }

    [Fact]
    public void A_guest_that_starts_over_while_the_host_connects_is_answered_with_its_new_number()
    {
        Guest.Sends(Syn);
        Guest.Iss = new SequenceNumber(900_000);
        Guest.SynOptions = new TcpOptions { Mss = 1000 };
        Guest.Sends(Syn);
        Assert.Single(World.Host.Sockets);
        Host.Accepts();
        SentPacket synAck = Guest.Receives(SynAck, ack: 1);
        Assert.Null(TcpOptions.Parse(synAck.Tcp.Options).WindowScale);
        Guest.Sends(Ack);
        Host.Says(Octets(5000));
        Assert.Equal(1000, Guest.Receives(Ack).Virtio.GsoSize);
    }

    [Theory]
    [InlineData(0)] // SYN's own number
    [InlineData(1)] // behind the SYN (RFC 5961 section 3.2)
    public void A_reset_while_connecting_gives_the_connect_up(int seq)
    {
        Guest.Sends(Syn);
        Guest.Sends(Rst, seq: seq);
        FlowIsGone();
        Host.IsReset();
        Guest.ReceivesNothing();
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(2)]
    public void A_reset_with_a_wrong_number_does_not(int seq)
    {
        Guest.Sends(Syn);
        Guest.Sends(Rst, seq: seq);
        Host.Accepts();
        Guest.Receives(SynAck);
    }

    [Fact]
    public void Other_segments_while_connecting_are_ignored()
    {
        Guest.Sends(Syn);
        Guest.Sends(Ack, seq: 1, data: "early"u8);
        Guest.Sends(FinAck, seq: 1);
        Guest.Sends(SynAck, seq: 0);
        Guest.ReceivesNothing();
        FlowIs(GuestTcpState.SynHeld);
    }

    [Fact]
    public void A_reset_and_a_new_SYN_in_one_batch_are_both_heard()
    {
        Guest.Connects();
        Guest.Queues(Rst, seq: 1);
        Guest.Iss = new SequenceNumber(70_000);
        Guest.Queues(Syn);
        World.Turn();
        Assert.Equal(2, World.Host.Sockets.Count);
        Assert.True(World.Host.Sockets[0].WasReset);
        World.Host.Last.CompleteConnect();
        World.Turn();
        Guest.Receives(SynAck, ack: 1);
    }

    [Fact]
    public void The_DNS_address_is_carried_where_the_service_says()
    {
        Guest = new ScriptedGuest(World, GuestEnd, FrameFactory.Endpoint("10.0.2.3", 53));
        World.Services.Redirect = FrameFactory.Endpoint("198.51.100.53", 53);
        Guest.Connects();
        Assert.Equal(World.Services.Redirect, Host.Socket.Peer);
    }

    [Fact]
    public void The_DNS_address_without_a_service_refuses_and_a_failed_one_is_reported()
    {
        Guest = new ScriptedGuest(World, GuestEnd, FrameFactory.Endpoint("10.0.2.3", 53));
        Guest.Sends(Syn);
        Guest.Receives(RstAck, ack: 1);
        FlowIsGone();
        World.Services.Redirect = FrameFactory.Endpoint("198.51.100.53", 53);
        Guest.Sends(Syn);
        Host.Refuses();
        Guest.Receives(RstAck, ack: 1);
        Assert.Equal([FrameFactory.Endpoint("198.51.100.53", 53)], World.Services.FailedRedirects);
    }

    /// <summary>The guest knows one name server and asks it over TCP once; nothing was promised to it yet.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_resolver_that_refuses_or_is_silent_over_TCP_is_passed_over(bool refuses)
    {
        IpEndpoint first = FrameFactory.Endpoint("198.51.100.53", 53), second = FrameFactory.Endpoint("198.51.100.54", 53);
        Guest = new ScriptedGuest(World, GuestEnd, FrameFactory.Endpoint("10.0.2.3", 53));
        World.Services.Redirect = first;
        World.Services.OtherRedirects.Enqueue(second);
        Guest.Sends(Syn);
        Assert.Equal(first, World.Host.Last.Peer);
        if (refuses) Host.Refuses();
        else Guest.Sends(Syn); // its own retransmission
        Guest.ReceivesNothing();
        Assert.Equal([first], World.Services.FailedRedirects);
        Assert.Equal((2, second), (World.Host.Sockets.Count, World.Host.Last.Peer));
        Assert.False(World.Host.Sockets[0].IsOpen);
        World.Host.Last.CompleteConnect();
        World.Turn();
        Guest.Receives(SynAck, ack: 1);
    }

    [Fact]
    public void Where_no_resolver_takes_connections_the_last_one_s_word_counts()
    {
        Guest = new ScriptedGuest(World, GuestEnd, FrameFactory.Endpoint("10.0.2.3", 53));
        World.Services.Redirect = FrameFactory.Endpoint("198.51.100.53", 53);
        World.Services.OtherRedirects.Enqueue(FrameFactory.Endpoint("198.51.100.54", 53));
        Guest.Sends(Syn);
        Host.Refuses();
        Guest.Sends(Syn); // there is nobody else to ask: it waits for the second
        Guest.ReceivesNothing();
        World.Host.Last.FailConnect(HostError.ConnectionRefused);
        World.Turn();
        Guest.Receives(RstAck, ack: 1);
        FlowIsGone();
    }

    /// <summary>As slirp4netns's guests find it with --disable-dns: their connect times out.</summary>
    [Fact]
    public void The_DNS_address_is_silent_when_DNS_is_switched_off()
    {
        Restart(new TcpHarnessOptions { EnableDns = false });
        Guest = new ScriptedGuest(World, GuestEnd, FrameFactory.Endpoint("10.0.2.3", 53));
        Guest.Sends(Syn);
        Guest.ReceivesNothing();
        FlowIsGone();
    }

    [Theory]
    [InlineData("10.0.2.55", 80)] // on the guest's own subnet, but nobody there
    [InlineData("127.0.0.1", 80)]
    [InlineData("0.0.0.0", 80)]
    [InlineData("192.0.2.7", 0)]
    public void What_nobody_can_answer_is_not_answered(string address, int port)
    {
        Guest = new ScriptedGuest(World, GuestEnd, FrameFactory.Endpoint(address, port));
        Guest.Sends(Syn);
        Guest.ReceivesNothing();
        FlowIsGone();
        Assert.Empty(World.Host.Sockets);
        Assert.Equal(1, World.Counters.DroppedInAll());
    }
}
