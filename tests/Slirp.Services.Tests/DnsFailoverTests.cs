using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using static Slirp.Testing.DnsMessage;

namespace Slirp.Services.Tests;

/// <summary>Resolvers that are silent, refuse, come back, change.</summary>
public class DnsFailoverTests
{
    private const string Two = "nameserver 192.0.2.1\nnameserver 192.0.2.2\n";
    private const string Three = Two + "nameserver 192.0.2.3\n";

    [Fact]
    public void A_query_that_waits_at_an_address_that_is_gone_is_asked_again_from_another()
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(1));
        FakeSocket first = scene.Upstream()[0].Socket;
        first.LocalAddress = IpAddress.Parse("198.51.100.2");
        scene.Services.ReplaceLost(new HostAddresses([new HostPrefix(first.LocalAddress, 32)]), scene.Clock.Now);
        Assert.True(first.IsOpen);
        Assert.Equal("1", scene.Asked());

        scene.Services.ReplaceLost(HostAddresses.None, scene.Clock.Now);
        Assert.False(first.IsOpen);
        Assert.Equal("11", scene.Asked());
        scene.AnswerLast();
        Assert.Equal(1, scene.TakeAnswer()[1]);
        Assert.Equal(0, scene.Services.Dns.SocketCount);
    }

    [Fact]
    public void A_silent_resolver_is_passed_over_after_a_second_and_a_late_answer_is_taken()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        scene.PassMilliseconds(899);
        Assert.Equal("1", scene.Asked());
        scene.PassMilliseconds(2);
        Assert.Equal("12", scene.Asked());
        scene.PassMilliseconds(300);
        (_, byte[] query, FakeSocket socket) = scene.Upstream()[0];
        scene.Deliver(socket, Answer(query));
        Assert.Equal((7, NoError), (Id(scene.TakeAnswer()), 0));
        Assert.Equal(0, scene.Host.OpenCount);
    }

    /// <summary>The guest knows one server, and could not ask the next as the host's own programs do (resolv.conf(5)). Some
    /// servers refuse by a header alone.</summary>
    [Theory]
    [InlineData(ServFail, false)]
    [InlineData(NotImp, false)]
    [InlineData(Refused, false)]
    [InlineData(ServFail, true)]
    [InlineData(Refused, true)]
    public void A_resolver_that_fails_or_refuses_is_passed_over_at_once(int code, bool isHeaderAlone)
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        (_, byte[] query, FakeSocket socket) = scene.Upstream()[0];
        byte[] refusal = Answer(query, code, records: 0);
        if (isHeaderAlone) (refusal = refusal[..12])[5] = 0;
        scene.Deliver(socket, refusal);
        scene.ExpectNothing();
        Assert.Equal("12", scene.Asked());
        scene.AnswerLast();
        Assert.Equal(1, AnswerCount(scene.TakeAnswer()));
        Assert.Equal(0, scene.Services.Dns.PendingCount);
    }

    [Fact]
    public void Where_all_fail_the_last_one_s_words_are_the_answer()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        scene.AnswerLast(ServFail, records: 0);
        scene.AnswerLast(Refused, records: 0);
        Assert.Equal(Refused, scene.TakeAnswer()[3] & 15);
        Assert.Equal("12", scene.Asked());
        Assert.Equal(0, scene.Services.Dns.PendingCount);
    }

    [Fact]
    public void Who_was_asked_already_may_still_know()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        scene.PassMilliseconds(901);
        Assert.Equal("12", scene.Asked());
        scene.AnswerLast(ServFail, records: 0);
        scene.ExpectNothing();
        (_, byte[] query, FakeSocket socket) = scene.Upstream()[0];
        scene.Deliver(socket, Answer(query));
        Assert.Equal(1, AnswerCount(scene.TakeAnswer()));
    }

    [Fact]
    public void Who_refuses_while_the_other_is_silent_is_quoted_in_the_end()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        scene.AnswerLast(Refused, records: 0);
        scene.PassMilliseconds(4501);
        Assert.Equal(Refused, scene.TakeAnswer()[3] & 15);
        Assert.Equal(0, scene.Services.Dns.PendingCount);
    }

    /// <summary>What two servers do is done twice, and the second finds what it was to find changed.</summary>
    [Fact]
    public void An_update_is_repeated_to_who_has_it_and_goes_to_no_other()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(Update(7));
        scene.PassMilliseconds(3601);
        Assert.Equal("111", scene.Asked());
        (_, byte[] query, FakeSocket socket) = scene.Upstream()[0];
        scene.Deliver(socket, [.. Header(Id(query), 0xa800 | NxDomain, 1, 0, 0, 0), .. query[12..]]);
        byte[] answer = scene.TakeAnswer();
        Assert.Equal((7, NxDomain), (Id(answer), Code(answer)));
        Assert.Equal("111", scene.Asked());
    }

    [Fact]
    public void An_update_is_no_probe_and_moves_on_when_it_is_refused()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(6));
        scene.PassMilliseconds(901);
        scene.AnswerLast();
        scene.TakeAnswer();
        scene.Pass(TimeSpan.FromSeconds(11));
        scene.Host.Frames.Clear();
        scene.Query(Update(7));
        Assert.Equal("122", scene.Asked());
        scene.Deliver(scene.Host.Last, Header(Id(scene.Upstream()[^1].Query), 0xa800 | Refused, 0, 0, 0, 0));
        Assert.Equal("1221", scene.Asked());
        scene.Deliver(scene.Host.Last, Header(Id(scene.Upstream()[^1].Query), 0xa800, 0, 0, 0, 0)); // RFC 2136 section 3.8
        byte[] answer = scene.TakeAnswer();
        Assert.Equal((7, NoError, 12), (Id(answer), Code(answer), answer.Length));
        Assert.Equal((0, 0), (scene.Services.Dns.PendingCount, scene.Host.OpenCount));
    }

    /// <summary>A slow resolver answers what was asked again in the meantime as often as it was asked: no forgery.</summary>
    [Fact]
    public void Answers_to_what_was_asked_again_do_not_cost_others_their_query()
    {
        using Scene scene = Scene.Quiet();
        scene.Host.DescriptorLimit = 1; // one socket for all
        const int Queries = 60;
        for (int i = 0; i < Queries; i++) scene.Query(DnsMessage.Query(i, $"name{i}.example"));
        scene.PassMilliseconds(1801);
        var asked = scene.Upstream();
        Assert.Equal(2 * Queries, asked.Count);
        scene.Query(DnsMessage.Query(99, "other.example"));
        foreach ((_, byte[] query, FakeSocket socket) in asked) scene.Deliver(socket, Answer(query));
        scene.AnswerLast();
        Assert.Equal(Queries + 1, scene.Host.TakePackets().Count);
        Assert.Equal(0, scene.Services.Dns.PendingCount);
    }

    [Fact]
    public void A_dead_first_resolver_costs_one_query_a_second_once()
    {
        using Scene scene = Scene.Quiet(Two);
        var resolvers = new ScriptedResolvers(scene, static (to, query) => Ends(to, '2') ? Answer(query) : null);
        TimeSpan first = Ask(scene, resolvers, 1);
        Assert.InRange(first.TotalMilliseconds, 900, 950);
        for (int i = 2; i < 1000; i++)
        {
            Assert.Equal(TimeSpan.Zero, Ask(scene, resolvers, i));
            scene.Pass(TimeSpan.FromMilliseconds(250));
            resolvers.Serve();
        }
        Assert.Equal(0, scene.Services.Dns.PendingCount);
        // Whether it is back was looked at every ten seconds or so, beside ordinary queries.
        Assert.InRange(scene.Asked().Count(c => c == '1'), 20, 27);
    }

    [Fact]
    public void A_resolver_that_is_back_is_found_without_delay_and_comes_first_again()
    {
        using Scene scene = Scene.Quiet(Two);
        bool isBack = false;
        var resolvers = new ScriptedResolvers(scene, (to, query) => isBack || Ends(to, '2') ? Answer(query) : null);
        Ask(scene, resolvers, 1);
        isBack = true;
        for (int i = 2; i < 14; i++)
        {
            Assert.Equal(TimeSpan.Zero, Ask(scene, resolvers, i));
            scene.Pass(TimeSpan.FromSeconds(1));
        }
        int before = scene.Asked().Length;
        Ask(scene, resolvers, 20);
        Assert.Equal("1", LatestAsked(scene, before));
    }

    [Fact]
    public void A_probe_that_is_answered_late_still_counts()
    {
        using Scene scene = Scene.Quiet(Two);
        var resolvers = new ScriptedResolvers(scene, static (to, query) => Ends(to, '2') ? Answer(query) : null);
        Ask(scene, resolvers, 1);
        scene.Pass(TimeSpan.FromSeconds(11));
        Ask(scene, resolvers, 2); // answered by the second, probe to the first
        FakeSocket probe = Assert.Single(scene.Host.Sockets, s => s.IsOpen);
        Assert.Equal(1, scene.Services.Dns.PendingCount);
        scene.PassMilliseconds(500);
        scene.Deliver(probe, Answer(probe.Datagrams[0].Payload));
        scene.ExpectNothing(); // the guest has its answer already
        Assert.Equal((0, 0), (scene.Services.Dns.PendingCount, scene.Host.OpenCount));
        int before = scene.Asked().Length;
        Ask(scene, resolvers, 3);
        Assert.StartsWith("1", LatestAsked(scene, before), StringComparison.Ordinal);
    }

    [Fact]
    public void A_refusal_moves_the_query_on_at_once()
    {
        using Scene scene = Scene.Quiet(Three);
        scene.Query(DnsMessage.Query(7));
        scene.Unreachable(scene.Host.Last);
        Assert.Equal("12", scene.Asked());
        scene.Unreachable(scene.Host.Last);
        Assert.Equal("123", scene.Asked());
        scene.AnswerLast();
        Assert.Equal(7, Id(scene.TakeAnswer()));
        scene.Query(DnsMessage.Query(8));
        Assert.Equal("1233", scene.Asked());
    }

    /// <summary>What a router says of one datagram may be different for the next (RFC 1122 section 3.2.2.1), as the host's own
    /// programs, which are not even told, find.</summary>
    [Theory]
    [InlineData(3, 0)]
    [InlineData(3, 1)]
    [InlineData(11, 0)]
    public void A_hint_of_a_router_is_no_refusal(int type, int code)
    {
        using Scene scene = Scene.Quiet();
        scene.Host.DescriptorLimit = 1; // one socket for all
        for (int i = 0; i < 5; i++) scene.Query(DnsMessage.Query(i, $"name{i}.example"));
        List<(IpEndpoint, byte[] Query, FakeSocket Socket)> asked = scene.Upstream();
        scene.Hint(asked[2].Socket, (byte)type, (byte)code, asked[2].Query);
        scene.ExpectNothing();
        Assert.Equal("11111", scene.Asked());
        foreach ((_, byte[] query, FakeSocket socket) in asked.Where((_, i) => i != 2)) scene.Deliver(socket, Answer(query));
        Assert.Equal(4, scene.Host.TakePackets().Count);
        scene.PassMilliseconds(1801);
        scene.AnswerLast(); // it is asked again
        Assert.Equal(2, Id(scene.TakeAnswer()));
        Assert.Equal(0, scene.Services.Dns.PendingCount);
    }

    [Fact]
    public void A_hint_moves_the_query_that_it_is_about_to_the_next_resolver()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        (_, byte[] query, FakeSocket socket) = scene.Upstream()[0];
        scene.Hint(socket, 3, 1, query);
        Assert.Equal("12", scene.Asked());
        scene.Deliver(socket, Answer(query)); // it got there after all
        Assert.Equal(7, Id(scene.TakeAnswer()));
        scene.Query(DnsMessage.Query(8));
        Assert.Equal("121", scene.Asked());
    }

    /// <summary>What an earlier datagram met is told to the next one's sender.</summary>
    [Fact]
    public void A_hint_does_not_cost_the_next_query_its_datagram()
    {
        using Scene scene = Scene.Quiet();
        scene.Host.DescriptorLimit = 1;
        scene.Query(DnsMessage.Query(1));
        scene.Host.Last.FailSends(HostError.HostUnreachable);
        scene.Query(DnsMessage.Query(2));
        Assert.Equal("11", scene.Asked());
        scene.ExpectNothing();
        scene.AnswerLast();
        Assert.Equal(2, Id(scene.TakeAnswer()));
    }

    /// <summary>Some networks deliver everything twice.</summary>
    [Fact]
    public void Answers_that_come_twice_do_not_cost_others_their_query()
    {
        using Scene scene = Scene.Quiet();
        scene.Host.DescriptorLimit = 1;
        const int Queries = 60;
        for (int i = 0; i <= Queries; i++) scene.Query(DnsMessage.Query(i, $"name{i}.example"));
        List<(IpEndpoint, byte[] Query, FakeSocket Socket)> asked = scene.Upstream();
        foreach ((_, byte[] query, FakeSocket socket) in asked[1..])
            for (int copy = 0; copy < 2; copy++) scene.Deliver(socket, Answer(query));
        Assert.Equal(Queries, scene.Host.TakePackets().Count);
        scene.Deliver(asked[0].Socket, Answer(asked[0].Query));
        Assert.Equal(0, Id(scene.TakeAnswer()));
        Assert.Equal(0, scene.Services.Dns.PendingCount);
    }

    [Theory]
    [InlineData(NotImp)]
    [InlineData(1)]
    public void An_error_without_a_question_is_an_answer_also_with_an_OPT_record(int code)
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7, ednsSize: 1232));
        (_, byte[] query, FakeSocket socket) = scene.Upstream()[0];
        byte[] bare = [query[0], query[1], 0x80, (byte)code, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0];
        scene.Deliver(socket, bare);
        byte[] answer = scene.TakeAnswer();
        Assert.Equal((7, code), (Id(answer), Code(answer)));
        Assert.Equal(0, scene.Services.Dns.PendingCount);
    }

    [Fact]
    public void When_all_refuse_the_answer_is_SERVFAIL_at_once()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7, ednsSize: 1232));
        scene.Unreachable(scene.Host.Last);
        scene.ExpectNothing();
        scene.Unreachable(scene.Host.Last);
        byte[] answer = scene.TakeAnswer();
        Assert.Equal((7, ServFail), (Id(answer), Code(answer)));
        Assert.Equal((0, 0), (scene.Services.Dns.PendingCount, scene.Host.OpenCount));
        scene.Query(DnsMessage.Query(8)); // and they are asked again by the next query
        Assert.Equal("121", scene.Asked());
    }

    [Theory]
    [InlineData(HostError.NetworkUnreachable)]
    [InlineData(HostError.HostUnreachable)]
    [InlineData(HostError.NotSupported)]
    [InlineData(HostError.AccessDenied)]
    public void A_resolver_that_cannot_even_be_connected_to_is_a_refusal(HostError error)
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Host.OpenUdpOutcome = error;
        scene.Query(DnsMessage.Query(7));
        Assert.Equal(ServFail, Code(scene.TakeAnswer()));
        scene.Host.OpenUdpOutcome = HostError.None;
        scene.Query(DnsMessage.Query(8));
        scene.AnswerLast();
        Assert.Equal(8, Id(scene.TakeAnswer()));
    }

    [Theory]
    [InlineData(HostError.NoDescriptors)]
    [InlineData(HostError.NoBuffers)]
    public void A_lack_of_descriptors_is_not_the_resolvers_fault_and_passes(HostError error)
    {
        using Scene scene = Scene.Quiet();
        scene.Host.OpenUdpOutcome = error;
        scene.Query(DnsMessage.Query(7));
        scene.ExpectNothing();
        scene.PassMilliseconds(1000);
        scene.Host.OpenUdpOutcome = HostError.None;
        scene.PassMilliseconds(1000);
        scene.AnswerLast();
        Assert.Equal((7, NoError), (Id(scene.TakeAnswer()), 0));
    }

    [Fact]
    public void With_no_descriptor_left_queries_share_what_is_open()
    {
        using Scene scene = Scene.Quiet();
        scene.Host.DescriptorLimit = 1;
        for (int i = 0; i < 50; i++) scene.Query(DnsMessage.Query(i));
        Assert.Equal((1, 50), (scene.Host.OpenCount, scene.Upstream().Count));
        foreach (SentDatagram sent in scene.Host.Last.Datagrams.ToArray()) scene.Host.Last.DeliverDatagram(sent.Destination, Answer(sent.Payload));
        scene.Pump();
        Assert.Equal(50, scene.Host.TakePackets().Count);
    }

    /// <summary>Whoever of the guest's programs holds all the others, every other one begins with a name.</summary>
    [Fact]
    public void With_no_descriptor_left_to_the_guest_each_resolver_has_one_that_is_kept_back()
    {
        using Scene scene = Scene.Quiet(Two);
        (scene.Host.DescriptorLimit, scene.Host.ReserveCount) = (0, 3);
        for (int i = 0; i < 50; i++) scene.Query(DnsMessage.Query(i));
        Assert.Equal((1, 50), (scene.Host.OpenCount, scene.Upstream().Count));
        scene.PassMilliseconds(901);
        Assert.Equal((2, 100), (scene.Host.OpenCount, scene.Upstream().Count));
        foreach ((_, byte[] query, FakeSocket socket) in scene.Upstream()[50..]) scene.Deliver(socket, Answer(query));
        Assert.Equal(50, scene.Host.TakePackets().Count);
    }

    [Fact]
    public void Where_there_is_no_descriptor_for_the_next_resolver_the_first_is_asked_again()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Host.DescriptorLimit = 1;
        scene.Query(DnsMessage.Query(7));
        scene.PassMilliseconds(1801);
        Assert.Equal("11", scene.Asked());
        scene.AnswerLast();
        Assert.Equal(7, Id(scene.TakeAnswer()));
    }

    [Fact]
    public void A_resolver_that_there_was_no_descriptor_for_has_not_been_asked()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Host.DescriptorLimit = 0;
        scene.Query(DnsMessage.Query(7));
        scene.Host.DescriptorLimit = 1;
        scene.PassMilliseconds(901);
        Assert.Equal("1", scene.Asked());
        scene.AnswerLast();
        Assert.Equal(7, Id(scene.TakeAnswer()));
    }

    [Theory]
    [InlineData("nameserver 192.0.2.1\n", "111", "one is asked every other step")]
    [InlineData(Two, "12121", "two in turn")]
    [InlineData(Three, "12312", "three in turn")]
    public void When_all_are_silent_the_answer_is_SERVFAIL_before_the_client_gives_up(string resolvConf, string asked, string why)
    {
        using Scene scene = Scene.Quiet(resolvConf);
        scene.Query(DnsMessage.Query(7));
        scene.PassMilliseconds(4499);
        scene.ExpectNothing();
        scene.PassMilliseconds(5);
        byte[] answer = scene.TakeAnswer();
        Assert.Equal((7, ServFail), (Id(answer), Code(answer)));
        string all = "";
        foreach (FakeSocket socket in scene.Host.Sockets) all += socket.Peer!.Value.Address.ToString()[^1];
        Assert.True(asked == all, $"{why}: {all}");
        Assert.Equal((0, 0), (scene.Services.Dns.PendingCount, scene.Host.OpenCount));
    }

    [Fact]
    public void A_lost_query_is_repeated_under_another_identifier_and_either_answer_is_taken()
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7));
        scene.PassMilliseconds(1801);
        List<(IpEndpoint, byte[] Query, FakeSocket Socket)> sent = scene.Upstream();
        Assert.Equal(2, sent.Count);
        Assert.NotSame(sent[0].Socket, sent[1].Socket);
        scene.Deliver(sent[1].Socket, Answer(sent[1].Query));
        Assert.Equal(7, Id(scene.TakeAnswer()));
        Assert.Equal(0, scene.Host.OpenCount);
    }

    [Fact]
    public void One_slow_name_does_not_put_a_resolver_down_that_answers_others()
    {
        using Scene scene = Scene.Quiet(Two);
        var resolvers = new ScriptedResolvers(scene, static (_, query) => query[13] == 's' ? null : Answer(query));
        scene.Query(DnsMessage.Query(7, "slow.example"));
        resolvers.Serve();
        scene.PassMilliseconds(450);
        Ask(scene, resolvers, 8); // the first resolver answers this
        scene.PassMilliseconds(451);
        resolvers.Serve();
        int before = scene.Asked().Length;
        Ask(scene, resolvers, 9);
        Assert.Equal("1", LatestAsked(scene, before));
    }

    [Fact]
    public void A_changed_configuration_is_followed_by_what_waits()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        scene.Query(DnsMessage.Query(8, "other.example"));
        scene.UpdateResolvers("nameserver 192.0.2.9\n");
        Assert.Equal("1199", scene.Asked());
        Assert.Equal(2, scene.Host.OpenCount);
        var resolvers = new ScriptedResolvers(scene, static (_, query) => Answer(query));
        resolvers.Serve();
        Assert.Equal(2, scene.Host.TakePackets().Count);
        scene.Query(DnsMessage.Query(9));
        Assert.Equal("11999", scene.Asked());
    }

    [Fact]
    public void Another_search_list_asks_nobody_again()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        scene.PassMilliseconds(901);
        scene.UpdateResolvers("search other.example\n" + Two);
        Assert.Equal("12", scene.Asked());
        Assert.Equal(2, scene.Host.OpenCount);
        scene.AnswerLast();
        Assert.Equal(7, Id(scene.TakeAnswer()));
    }

    [Fact]
    public void A_configuration_that_becomes_empty_answers_what_waits_and_one_that_stays_changes_nothing()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        scene.UpdateResolvers("# rewritten\n" + Two + "options ndots:2\n");
        Assert.Equal("1", scene.Asked());
        scene.UpdateResolvers("");
        byte[] answer = scene.TakeAnswer();
        Assert.Equal((7, ServFail), (Id(answer), Code(answer)));
        Assert.Equal(0, scene.Host.OpenCount);
        scene.UpdateResolvers(Two);
        scene.Query(DnsMessage.Query(8));
        scene.AnswerLast();
        Assert.Equal((8, NoError), (Id(scene.TakeAnswer()), 0));
    }

    [Fact]
    public void What_is_known_of_a_resolver_survives_a_new_configuration()
    {
        using Scene scene = Scene.Quiet(Two);
        var resolvers = new ScriptedResolvers(scene, static (to, query) => Ends(to, '1') ? null : Answer(query));
        Ask(scene, resolvers, 1);
        scene.UpdateResolvers("nameserver 192.0.2.1\nnameserver 192.0.2.3\n");
        Assert.Equal(TimeSpan.Zero, Ask(scene, resolvers, 2));
    }

    [Fact]
    public void Eight_dead_resolvers_end_in_time_and_leave_nothing_behind()
    {
        string eight = string.Concat(Enumerable.Range(1, 8).Select(i => $"nameserver 192.0.2.{i}\n"));
        using Scene scene = Scene.Quiet(eight);
        for (int i = 0; i < 500; i++) scene.Query(DnsMessage.Query(i));
        scene.PassMilliseconds(4505);
        Assert.Equal(500, scene.Host.TakePackets().Count);
        Assert.Equal((0, 0), (scene.Services.Dns.PendingCount, scene.Host.OpenCount));
        scene.Query(DnsMessage.Query(1000));
        Assert.Equal('6', scene.Upstream()[^1].To.Address.ToString()[^1]); // the first that was never asked
    }

    /// <summary>A question of class IN for the zone (RFC 2136 section 2.3), and nothing to change.</summary>
    private static byte[] Update(int id) => [.. Header(id, 0x2800, 1, 0, 0, 0), .. Name("example.com"), 0, 6, 0, 1];

    /// <summary>Asks and lets time pass until the answer is there.</summary>
    private static TimeSpan Ask(Scene scene, ScriptedResolvers resolvers, int id)
    {
        Core.Instant start = scene.Clock.Now;
        scene.Query(DnsMessage.Query(id), DnsScene.Guest with { Port = (ushort)(20_000 + id) });
        resolvers.Serve();
        while (!scene.HasAnswer())
        {
            scene.PassMilliseconds(10);
            resolvers.Serve();
            Assert.InRange((scene.Clock.Now - start).TotalSeconds, 0, 6);
        }
        byte[] answer = scene.TakeAnswer();
        Assert.Equal((id, NoError), (Id(answer), Code(answer)));
        return scene.Clock.Now - start;
    }

    private static bool Ends(IpEndpoint endpoint, char digit) => endpoint.Address.ToString()[^1] == digit;

    private static string LatestAsked(Scene scene, int before) => scene.Asked()[before..];
}
