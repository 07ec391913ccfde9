using Slirp.Core;
using Slirp.Core.World;
using Slirp.Services.Dns;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using static Slirp.Testing.DnsMessage;

namespace Slirp.Services.Tests;

public class DnsForwarderTests
{
    [Fact]
    public void A_query_and_its_answer_pass_through_untouched_but_for_the_identifier()
    {
        using Scene scene = Scene.Quiet();
        byte[] query = DnsMessage.Query(0x1234, "wWw.ExAmPlE.com", ednsSize: 1232, padding: 20);
        scene.Query(query);
        (IpEndpoint to, byte[] sent, FakeSocket socket) = Assert.Single(scene.Upstream());
        Assert.Equal(FrameFactory.Endpoint("192.0.2.1", 53), to);
        Assert.Equal(to, socket.Peer);
        Assert.Equal(query[2..], sent[2..]);

        byte[] answer = Answer(sent, records: 3, ednsSize: 4096);
        scene.Deliver(socket, answer);
        SentPacket packet = scene.TakeOne();
        Assert.Equal((DnsScene.Server, DnsScene.Guest), (packet.Source, packet.Destination));
        Assert.Equal(Scene.GuestMac, packet.DestinationMac);
        Assert.Equal(WithId(answer, 0x1234), packet.UdpPayload.ToArray());
        Assert.Equal((1, 1, 0), (scene.Counters.DnsQueries, scene.Counters.DnsAnswers, scene.Counters.DroppedInAll()));
        Assert.Equal((0, 0, 0), (scene.Services.Dns.PendingCount, scene.Services.Dns.SocketCount, scene.Host.OpenCount));
    }

    /// <summary>What one resolver gave the guest, the next does not know, and the guest would drop its answers.</summary>
    [Theory]
    [InlineData("000a 0008 0102030405060708", "", "a client's cookie")]
    [InlineData("000a 0018 010203040506070811121314151617181112131415161718", "", "a server's behind it")]
    [InlineData("000c 0002 0000 000a 0008 0102030405060708 0008 0004 00011800", "000c 0002 0000 0008 0004 00011800", "between others")]
    [InlineData("000c 0002 000a 000a 0000", "000c 0002 000a", "an empty one")]
    [InlineData("000c 0002 0000", "000c 0002 0000", "none")]
    [InlineData("000a 0008 0102030405060708 000c 0005 00", "000a 0008 0102030405060708 000c 0005 00", "malformed behind it")]
    [InlineData("000a 0008 0102030405060708 00", "000a 0008 0102030405060708 00", "a lone octet behind it")]
    public void Several_resolvers_get_no_cookies_and_one_gets_all(string options, string left, string why)
    {
        byte[] query = WithOptions(options);
        foreach (bool isOne in new[] { true, false })
        {
            using Scene scene = Scene.Quiet(isOne ? "nameserver 192.0.2.1\n" : "nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
            scene.Query(query);
            scene.Query(query); // it is the same to us as before
            byte[] sent = Assert.Single(scene.Upstream()).Query;
            Assert.True(WithOptions(isOne ? options : left).AsSpan(2).SequenceEqual(sent.AsSpan(2)), why);
            scene.AnswerLast();
            Assert.Equal(7, Id(scene.TakeAnswer()));
        }
    }

    [Fact]
    public void A_signed_query_keeps_what_was_signed()
    {
        using Scene scene = Scene.Quiet("nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
        byte[] query = [.. WithOptions("000a 0008 0102030405060708"), .. Name("key"), 0, 250, 0, 255, 0, 0, 0, 0, 0, 1, 0];
        query[11] = 2;
        scene.Query(query);
        Assert.Equal(query[2..], Assert.Single(scene.Upstream()).Query[2..]);
    }

    private static byte[] WithOptions(string hex)
    {
        byte[] options = Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
        byte[] query = [.. DnsMessage.Query(7, ednsSize: 1232), .. options];
        query[^(options.Length + 1)] = (byte)options.Length;
        return query;
    }

    [Theory]
    [InlineData(NoError, 0, "no error and no data is not 'no such name'")]
    [InlineData(NxDomain, 0, "no such name")]
    [InlineData(ServFail, 0, "the resolver's own failure is the resolver's to tell")]
    [InlineData(Refused, 0, "refused")]
    [InlineData(NotImp, 0, "not implemented")]
    [InlineData(9, 0, "not authoritative: a code of RFC 2136")]
    public void Any_response_code_is_passed_as_it_is(int code, int records, string why)
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7));
        (_, byte[] sent, FakeSocket socket) = scene.Upstream()[0];
        byte[] answer = Answer(sent, code, records);
        scene.Deliver(socket, answer);
        Assert.True(WithId(answer, 7).AsSpan().SequenceEqual(scene.TakeAnswer()), why);
        Assert.Equal("1", scene.Asked());
    }

    [Theory]
    [InlineData("192.0.2.1", false)]
    [InlineData("192.0.2.1", true)]
    [InlineData("2001:db8::1", false)]
    [InlineData("2001:db8::1", true)]
    [InlineData("127.0.0.53", true)]
    [InlineData("::1", false)]
    [InlineData("10.0.2.3", false)] // nested: the host's DNS address is the same as ours
    [InlineData("10.0.2.2", false)]
    [InlineData("fd00::3", true)]
    public void The_families_of_guest_and_resolver_are_independent(string resolver, bool isGuest6)
    {
        using Scene scene = Scene.Quiet($"nameserver {resolver}\n");
        (IpEndpoint guest, IpEndpoint server) = isGuest6 ? (DnsScene.Guest6, DnsScene.Server6) : (DnsScene.Guest, DnsScene.Server);
        scene.Query(DnsMessage.Query(7), guest, server);
        FakeSocket socket = Assert.Single(scene.Upstream()).Socket;
        Assert.Equal(FrameFactory.Endpoint(resolver, 53), socket.Peer);
        Assert.Equal(resolver.Contains(':', StringComparison.Ordinal) ? AddressFamily.Ipv6 : AddressFamily.Ipv4, socket.Family);
        scene.AnswerLast();
        SentPacket packet = scene.TakeOne();
        Assert.Equal((server, guest), (packet.Source, packet.Destination));
    }

    [Theory]
    [InlineData(null, 29, false, "497 octets fit")]
    [InlineData(null, 30, true, "513 do not")]
    [InlineData(1232, 70, false, "EDNS says 1232")]
    [InlineData(1232, 80, true, "more than EDNS says")]
    [InlineData(100, 20, false, "EDNS below 512 counts as 512")]
    [InlineData(4096, 200, false, "larger than the MTU goes in fragments")]
    [InlineData(65535, 4000, false, "the most that UDP carries")]
    [InlineData(512, 4000, true, "65535 octets for one who takes 512")]
    public void An_answer_larger_than_the_client_takes_is_truncated(int? ednsSize, int records, bool isTruncated, string why)
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7, ednsSize: ednsSize));
        (_, byte[] sent, FakeSocket socket) = scene.Upstream()[0];
        byte[] answer = Answer(sent, records: records, ednsSize: ednsSize is null ? -1 : 1400);
        scene.Deliver(socket, answer);
        SentPacket packet = Assert.Single(SentPacket.Reassemble(scene.Host.TakePackets()));
        byte[] got = packet.UdpPayload.ToArray();
        Assert.True(isTruncated == IsTruncated(got), why);
        if (!isTruncated)
        {
            Assert.Equal(WithId(answer, 7), got);
            return;
        }
        Assert.InRange(got.Length, 12, Math.Max(512, ednsSize ?? 512));
        Assert.Equal((7, NoError, true), (Id(got), Code(got), IsResponse(got)));
        Assert.Equal(answer[12..QuestionEnd(answer)], got[12..QuestionEnd(got)]);
    }

    [Fact]
    public void A_query_beyond_the_smallest_packet_is_told_to_come_by_TCP()
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7, ednsSize: 4096, padding: 1300));
        Assert.Empty(scene.Upstream());
        byte[] answer = scene.TakeAnswer();
        Assert.True(IsTruncated(answer) && IsResponse(answer));
        Assert.Equal((7, NoError), (Id(answer), Code(answer)));
    }

    [Fact]
    public void Without_a_resolver_the_answer_is_SERVFAIL_at_once()
    {
        using Scene scene = Scene.Quiet("# nothing here\n");
        byte[] query = DnsMessage.Query(7, ednsSize: 1232);
        scene.Query(query);
        byte[] answer = scene.TakeAnswer();
        Assert.Equal((7, ServFail, true), (Id(answer), Code(answer), IsResponse(answer)));
        Assert.Equal(query[12..QuestionEnd(query)], answer[12..QuestionEnd(answer)]);
        scene.ExpectDrop(DropReason.DnsNoResolver);
        Assert.False(scene.Services.TryRedirectTcp(DnsScene.Server, scene.Clock.Now, out _));
    }

    [Fact]
    public void A_query_repeated_while_it_waits_is_not_sent_again()
    {
        using Scene scene = Scene.Quiet();
        for (int i = 0; i < 100; i++) scene.Query(DnsMessage.Query(7));
        Assert.Single(scene.Upstream());
        scene.AnswerLast();
        Assert.Single(scene.Host.TakePackets());
        scene.Query(DnsMessage.Query(7)); // after the answer it is a new one
        Assert.Equal(2, scene.Upstream().Count);
        scene.AnswerLast();
        Assert.Single(scene.Host.TakePackets());
    }

    [Fact]
    public void Queries_that_differ_in_anything_are_different()
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7));
        scene.Query(DnsMessage.Query(8));
        scene.Query(DnsMessage.Query(7, "www.example.org"));
        scene.Query(DnsMessage.Query(7, type: 28));
        scene.Query(DnsMessage.Query(7), DnsScene.Guest with { Port = 40_001 });
        scene.Query(DnsMessage.Query(7), DnsScene.Guest6, DnsScene.Server6);
        Assert.Equal(6, scene.Upstream().Count);
    }

    [Fact]
    public void A_query_gets_a_socket_of_its_own_and_many_share_a_few()
    {
        using Scene scene = Scene.Quiet();
        for (int i = 0; i < 3000; i++) scene.Query(DnsMessage.Query(i), DnsScene.Guest with { Port = (ushort)(10_000 + i) });
        Assert.Equal(16, scene.Host.OpenCount);
        Assert.Equal(3000, scene.Services.Dns.PendingCount);
        List<(IpEndpoint, byte[] Query, FakeSocket Socket)> upstream = scene.Upstream();
        foreach ((_, byte[] query, FakeSocket socket) in upstream) socket.DeliverDatagram(socket.Peer!.Value, Answer(query));
        scene.Pump();
        Assert.Equal(3000, scene.Host.TakePackets().Count);
        Assert.Equal((0, 0), (scene.Host.OpenCount, scene.Services.Dns.PendingCount));
    }

    [Fact]
    public void Fifty_thousand_queries_are_answered_through_few_sockets_at_a_time()
    {
        using Scene scene = Scene.Quiet();
        var resolvers = new ScriptedResolvers(scene, static (_, query) => Answer(query));
        int most = 0;
        for (int i = 0; i < 50_000; i++)
        {
            scene.Query(DnsMessage.Query(i & 0xffff), DnsScene.Guest with { Port = (ushort)(1024 + i % 60_000) });
            most = Math.Max(most, scene.Host.OpenCount);
            if (i % 50 == 49) resolvers.Serve();
        }
        Assert.Equal(50_000, scene.Counters.DnsAnswers);
        Assert.InRange(most, 1, 16);
        Assert.Equal(0, scene.Host.OpenCount);
        Assert.Equal(0, scene.Counters.DroppedInAll());
    }

    [Fact]
    public void The_table_gives_up_its_oldest_for_a_new_one()
    {
        using Scene scene = Scene.Quiet();
        for (int i = 0; i < DnsForwarder<FakeWorld>.MaxPending + 10; i++) scene.Query(DnsMessage.Query(i));
        Assert.Equal(DnsForwarder<FakeWorld>.MaxPending, scene.Services.Dns.PendingCount);
        Assert.Equal(10, scene.Counters.Dropped(DropReason.DnsTableFull));
        scene.PassMilliseconds(4505);
        Assert.Equal((0, 0), (scene.Services.Dns.PendingCount, scene.Host.OpenCount));
        var answered = new HashSet<int>();
        foreach (SentPacket packet in scene.Host.TakePackets())
        {
            Assert.Equal(ServFail, Code(packet.UdpPayload));
            Assert.True(answered.Add(Id(packet.UdpPayload)));
        }
        Assert.Equal(Enumerable.Range(10, DnsForwarder<FakeWorld>.MaxPending), answered.Order());
    }

    [Fact]
    public void Identifiers_are_uniform_and_independent_of_the_clients()
    {
        using Scene scene = Scene.Quiet();
        const int count = 20_000;
        var low = new int[64];
        var high = new int[64];
        int same = 0;
        for (int i = 0; i < count; i++)
        {
            scene.Query(DnsMessage.Query(i));
            (_, byte[] sent, _) = (default(IpEndpoint), scene.Host.Last.Datagrams[^1].Payload, 0);
            low[Id(sent) & 63]++;
            high[Id(sent) >> 10]++;
            if (Id(sent) == i) same++;
            scene.Host.Last.DeliverDatagram(scene.Host.Last.Peer!.Value, Answer(sent));
            scene.Pump();
        }
        // Chi-square, 63 degrees of freedom: 120 is exceeded with a probability below 0.00002.
        Assert.InRange(ChiSquare.Of(low), 0, 120);
        Assert.InRange(ChiSquare.Of(high), 0, 120);
        Assert.InRange(same, 0, 10);
    }

    [Fact]
    public void A_lone_query_has_a_fresh_socket_each_time_so_that_its_port_is_new()
    {
        using Scene scene = Scene.Quiet();
        for (int i = 0; i < 100; i++)
        {
            scene.Query(DnsMessage.Query(i));
            scene.AnswerLast();
        }
        Assert.Equal(100, scene.Host.Sockets.Count);
        Assert.Equal(0, scene.Host.OpenCount);
    }

    [Fact]
    public void TCP_goes_to_the_best_resolver_and_elsewhere_after_a_failure()
    {
        using Scene scene = Scene.Quiet("nameserver 192.0.2.1\nnameserver 2001:db8::2\n");
        IpEndpoint first = FrameFactory.Endpoint("192.0.2.1", 53), second = FrameFactory.Endpoint("2001:db8::2", 53);
        Assert.True(scene.Services.TryRedirectTcp(DnsScene.Server, scene.Clock.Now, out IpEndpoint host));
        Assert.Equal(first, host);
        Assert.True(scene.Services.TryRedirectTcp(DnsScene.Server6, scene.Clock.Now, out host));
        Assert.Equal(first, host);
        Assert.True(scene.Services.TryRedirectTcpElsewhere(first, isSilent: false, scene.Clock.Now, out host));
        Assert.Equal(second, host);
        Assert.True(scene.Services.TryRedirectTcp(DnsScene.Server, scene.Clock.Now, out host));
        Assert.Equal(second, host);
        scene.Query(DnsMessage.Query(7)); // a resolver that refuses TCP may well speak UDP
        Assert.Equal("1", scene.Asked());
        Assert.False(scene.Services.TryRedirectTcpElsewhere(second, isSilent: false, scene.Clock.Now, out _));
        Assert.True(scene.Services.TryRedirectTcp(DnsScene.Server, scene.Clock.Now, out host));
        Assert.Equal(first, host);
        Assert.False(scene.Services.TryRedirectTcp(DnsScene.Server with { Port = 853 }, scene.Clock.Now, out _));
        Assert.False(scene.Services.TryRedirectTcp(FrameFactory.Endpoint("10.0.2.2", 53), scene.Clock.Now, out _));
        Assert.False(scene.Services.TryRedirectTcp(FrameFactory.Endpoint("192.0.2.1", 53), scene.Clock.Now, out _));
    }

    /// <summary>Its own SYN may have been lost: it is better than one that refuses.</summary>
    [Fact]
    public void TCP_returns_to_who_was_only_silent_when_the_others_refuse()
    {
        using Scene scene = Scene.Quiet("nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
        IpEndpoint first = FrameFactory.Endpoint("192.0.2.1", 53), second = FrameFactory.Endpoint("192.0.2.2", 53);
        Assert.True(scene.Services.TryRedirectTcpElsewhere(first, isSilent: true, scene.Clock.Now, out IpEndpoint host));
        Assert.Equal(second, host);
        Assert.True(scene.Services.TryRedirectTcpElsewhere(second, isSilent: false, scene.Clock.Now, out host));
        Assert.Equal(first, host);
        Assert.False(scene.Services.TryRedirectTcpElsewhere(first, isSilent: true, scene.Clock.Now, out _)); // it waits for that one
        Assert.False(scene.Services.TryRedirectTcpElsewhere(first, isSilent: false, scene.Clock.Now, out _));
    }

    /// <summary>Also where nothing but TCP has come from the guest meanwhile.</summary>
    [Fact]
    public void Silence_over_TCP_is_held_against_a_resolver_for_half_a_minute()
    {
        using Scene scene = Scene.Quiet("nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
        IpEndpoint first = FrameFactory.Endpoint("192.0.2.1", 53), second = FrameFactory.Endpoint("192.0.2.2", 53);
        Assert.True(scene.Services.TryRedirectTcpElsewhere(first, isSilent: true, scene.Clock.Now, out _));
        scene.Clock.AdvanceSeconds(29);
        Assert.True(scene.Services.TryRedirectTcp(DnsScene.Server, scene.Clock.Now, out IpEndpoint host));
        Assert.Equal(second, host);
        scene.Clock.AdvanceSeconds(1);
        Assert.True(scene.Services.TryRedirectTcp(DnsScene.Server, scene.Clock.Now, out host));
        Assert.Equal(first, host);
    }

    [Fact]
    public void With_DNS_disabled_the_address_is_nobodys()
    {
        using Scene scene = Scene.Quiet(plan: FrameFactory.Plan with { EnableDns = false });
        Assert.False(scene.Udp(DnsScene.Guest, DnsScene.Server, DnsMessage.Query(7)));
        Assert.False(scene.Services.TryRedirectTcp(DnsScene.Server, scene.Clock.Now, out _));
        scene.ExpectNothing();
    }

    [Theory]
    [InlineData("10.0.2.2", 53)]
    [InlineData("10.0.2.3", 54)]
    [InlineData("192.0.2.1", 53)]
    [InlineData("fd00::2", 53)]
    public void Other_datagrams_are_not_ours(string address, int port)
    {
        using Scene scene = Scene.Quiet();
        Assert.False(scene.Udp(DnsScene.Guest, FrameFactory.Endpoint(address, port), DnsMessage.Query(7)));
    }

    [Fact]
    public void A_query_and_its_answer_allocate_nothing()
    {
        byte[] query = DnsMessage.Query(7);
        long opening = long.MaxValue; // the least of some: what the runtime allocates for itself is not in it
        for (int run = 0; run < 3; run++)
        {
            using Scene scene = Scene.Quiet();
            scene.Host.Records = false;
            for (int i = 0; i < 100; i++) scene.Query(DnsMessage.Query(i), DnsScene.Guest with { Port = (ushort)(2000 + i) });
            scene.PassMilliseconds(4500);
            scene.Query(DnsMessage.Query(1));
            long before = GC.GetAllocatedBytesForCurrentThread();
            Ask(scene, 5000);
            opening = Math.Min(opening, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.Equal(0, Allocation.Of(() => Ask(scene, 6000)));
        }
        // Sixteen fake sockets are opened, which are classes of the script; nothing for the other queries.
        Assert.InRange(opening, 0, 16 * 1024);

        void Ask(Scene scene, int port)
        {
            for (int i = 0; i < 50; i++) scene.Udp(DnsScene.Guest with { Port = (ushort)(port + i) }, DnsScene.Server, query);
        }
    }
}
