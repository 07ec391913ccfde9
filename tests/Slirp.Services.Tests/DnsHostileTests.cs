using Slirp.Core;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using static Slirp.Testing.DnsMessage;

namespace Slirp.Services.Tests;

/// <summary>Guests and forgers that do not play by the rules.</summary>
public class DnsHostileTests
{
    [Fact]
    public void A_query_shorter_than_a_header_is_counted()
    {
        using Scene scene = Scene.Quiet();
        for (int length = 0; length < 12; length++) scene.Query(DnsMessage.Query(7)[..length]);
        Assert.Equal(12, scene.Counters.Dropped(DropReason.BadDns));
        scene.ExpectNothing();
        Assert.Empty(scene.Host.Sockets);
    }

    [Fact]
    public void A_response_from_the_guest_is_never_answered()
    {
        using Scene scene = Scene.Quiet();
        scene.Query(Answer(DnsMessage.Query(7)));
        scene.ExpectDrop(DropReason.BadDns);
        scene.ExpectNothing();
        Assert.Empty(scene.Host.Sockets);
    }

    [Theory]
    [InlineData("10.0.2.3", 53, "our own address and port: a reflection")]
    [InlineData("10.0.2.2", 4000, "our own address")]
    [InlineData("fd00::3", 53, "our own address")]
    [InlineData("0.0.0.0", 4000, "no address")]
    [InlineData("224.0.0.1", 4000, "a group")]
    [InlineData("255.255.255.255", 4000, "everybody")]
    [InlineData("10.0.2.100", 0, "no port")]
    public void A_client_that_cannot_be_answered_is_not(string address, int port, string why)
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7), FrameFactory.Endpoint(address, port));
        scene.ExpectDrop(DropReason.BadDns);
        Assert.True(scene.Host.Frames.Count == 0, why);
        Assert.Empty(scene.Host.Sockets);
    }

    public static TheoryData<string, byte[]> Malformed
    {
        get
        {
            byte[] header = Header(7, 0x0100, 1, 0, 0, 0);
            byte[] tail = [0, 1, 0, 1];
            byte[] longLabel = [64, .. new byte[64]], label63 = [63, .. "a".PadRight(63, 'a').Select(c => (byte)c)];
            return new TheoryData<string, byte[]>
            {
                { "no question", Header(7, 0x0100, 0, 0, 0, 0) },
                { "two questions", [.. Header(7, 0x0100, 2, 0, 0, 0), .. Name("a"), .. tail, .. Name("b"), .. tail] },
                { "65535 questions", [.. Header(7, 0x0100, 65535, 0, 0, 0), .. Name("a"), .. tail] },
                { "question missing", header },
                { "name without end", [.. header, 3, (byte)'w', (byte)'w', (byte)'w'] },
                { "name that points at itself", [.. header, 0xc0, 12, .. tail] },
                { "name that points forward", [.. header, 0xc0, 20, .. tail, 0, 0, 0, 0, 0, 0] },
                { "name that points at the header", [.. header, 0xc0, 0, .. tail] },
                { "label of 64", [.. header, .. longLabel, 0, .. tail] },
                { "label of 191: a reserved type", [.. header, 0xbf, .. new byte[200], 0, .. tail] },
                { "label of 255", [.. header, 255, 255, 255, 255, .. tail] },
                { "name of 257", [.. header, .. label63, .. label63, .. label63, .. label63, 0, .. tail] },
                { "type cut short", [.. header, .. Name("a"), 0, 1, 0] },
            };
        }
    }

    [Theory]
    [MemberData(nameof(Malformed))]
    public void A_malformed_query_is_answered_with_FORMERR_and_goes_nowhere(string why, byte[] query)
    {
        using Scene scene = Scene.Quiet();
        scene.Query(query);
        scene.ExpectDrop(DropReason.BadDns);
        byte[] answer = scene.TakeAnswer();
        Assert.Equal((7, FormErr, true), (Id(answer), Code(answer), IsResponse(answer)));
        Assert.True(answer.Length <= query.Length, why); // nothing to amplify
        Assert.Empty(scene.Host.Sockets);
    }

    [Theory]
    [InlineData(0, 0, 1, "additional record that is not there")]
    [InlineData(65535, 65535, 65535, "as many records as can be claimed")]
    public void What_follows_the_question_is_the_resolvers_business(int answers, int authorities, int additionals, string why)
    {
        using Scene scene = Scene.Quiet();
        byte[] query = [.. Header(7, 0x0100, 1, answers, authorities, additionals), .. Name("a"), 0, 1, 0, 1, 0xc0];
        scene.Query(query);
        Assert.True(query.AsSpan(2).SequenceEqual(Assert.Single(scene.Upstream()).Query.AsSpan(2)), why);
    }

    [Fact]
    public void An_answer_counts_only_with_socket_identifier_and_question_right()
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7, "www.example.com"));
        scene.Query(DnsMessage.Query(8, "www.example.org"));
        (_, byte[] first, FakeSocket firstSocket) = scene.Upstream()[0];
        (_, byte[] second, FakeSocket secondSocket) = scene.Upstream()[1];
        byte[] good = Answer(first);
        byte[] otherOpcode = [.. good];
        otherOpcode[2] |= 0x08;
        byte[] noQuestion = Header(Id(first), 0x8180, 0, 0, 0, 0);
        byte[] noQuestionWithRecords = [.. Header(Id(first), 0x8181, 0, 1, 0, 0), 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 6, 6, 6, 6];
        byte[][] forged =
        [
            WithId(good, Id(first) + 1), WithId(good, Id(first) ^ 0x8000),
            WithId(Answer(second), Id(first)), // the right identifier with another's question
            WithId(Answer(DnsMessage.Query(0, "www.example.com", type: 28)), Id(first)),
            WithId(Answer(DnsMessage.Query(0, "www.example.co")), Id(first)),
            otherOpcode, first, noQuestion, noQuestionWithRecords,
            good[..11], good[..12], good[..20], [],
        ];
        foreach (byte[] answer in forged) scene.Deliver(firstSocket, answer);
        if (Id(first) != Id(second)) scene.Deliver(secondSocket, good); // the right answer at the wrong socket
        scene.ExpectNothing();
        Assert.Equal(scene.Counters.DroppedInAll(), scene.Counters.Dropped(DropReason.DnsMismatch));
        Assert.InRange(scene.Counters.Dropped(DropReason.DnsMismatch), forged.Length, forged.Length + 1);

        scene.Deliver(firstSocket, good);
        Assert.Equal(WithId(good, 7), scene.TakeAnswer());
        scene.Deliver(secondSocket, Answer(second));
        Assert.Equal(WithId(Answer(second), 8), scene.TakeAnswer());
    }

    [Fact]
    public void A_resolver_may_change_the_case_of_letters_and_of_nothing_else()
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7, "wWw.Example.com", type: 65)); // in another case its type would be 97
        (_, byte[] sent, FakeSocket socket) = scene.Upstream()[0];
        byte[] otherType = Answer(WithId(DnsMessage.Query(0, "www.example.com", type: 97), Id(sent)));
        byte[] otherCase = Answer(WithId(DnsMessage.Query(0, "www.EXAMPLE.com", type: 65), Id(sent)));
        scene.Deliver(socket, otherType);
        scene.ExpectNothing();
        scene.Deliver(socket, otherCase);
        Assert.Equal(WithId(otherCase, 7), scene.TakeAnswer());
    }

    [Theory]
    [InlineData(FormErr)]
    [InlineData(NotImp)]
    public void A_server_that_cannot_read_the_query_may_leave_the_question_out(int code)
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7, ednsSize: 1232));
        (_, byte[] sent, FakeSocket socket) = scene.Upstream()[0];
        scene.Deliver(socket, Header(Id(sent), 0x8180 | code, 0, 0, 0, 0));
        byte[] answer = scene.TakeAnswer();
        Assert.Equal((7, code, 12), (Id(answer), Code(answer), answer.Length));
    }

    [Fact]
    public void Answers_that_the_kernel_hands_over_together_are_taken_apart()
    {
        using Scene scene = Scene.Quiet();
        scene.Host.DescriptorLimit = 1;
        for (int i = 0; i < 5; i++) scene.Query(DnsMessage.Query(i));
        FakeSocket socket = scene.Host.Last;
        var together = new List<byte>();
        foreach (SentDatagram sent in socket.Datagrams) together.AddRange(Answer(sent.Payload));
        int one = together.Count / 5;
        together.RemoveRange(together.Count - one, one); // the last is shorter, and says "no such name"
        byte[] last = Answer(socket.Datagrams[4].Payload, NxDomain, records: 0);
        socket.DeliverDatagram(socket.Peer!.Value, [.. together, .. last], segmentSize: one);
        scene.Pump();
        List<SentPacket> answers = scene.Host.TakePackets();
        Assert.Equal([0, 1, 2, 3, 4], answers.ConvertAll(static packet => Id(packet.UdpPayload)));
        Assert.Equal(NxDomain, Code(answers[4].UdpPayload));
        Assert.Equal((0, 0L), (scene.Host.OpenCount, scene.Counters.DroppedInAll()));
    }

    [Fact]
    public void A_second_answer_to_the_same_query_is_not_passed_on()
    {
        using Scene scene = Scene.Quiet();
        scene.Host.DescriptorLimit = 1; // one socket for both, so that it stays open
        scene.Query(DnsMessage.Query(7));
        scene.Query(DnsMessage.Query(8, "other.example"));
        FakeSocket socket = scene.Host.Last;
        byte[] answer = Answer(socket.Datagrams[0].Payload);
        scene.Deliver(socket, answer);
        scene.Deliver(socket, answer);
        Assert.Single(scene.Host.TakePackets());
        scene.ExpectDrop(DropReason.DnsMismatch);
    }

    [Fact]
    public void A_forger_that_floods_a_port_finds_it_closed_and_the_query_elsewhere()
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7));
        (_, byte[] sent, FakeSocket socket) = scene.Upstream()[0];
        byte[] forged = Answer(sent);
        for (int i = 1; i <= 1000; i++) socket.DeliverDatagram(socket.Peer!.Value, WithId(forged, Id(sent) ^ i));
        scene.Pump();
        Assert.False(socket.IsOpen);
        Assert.Equal(32, scene.Counters.Dropped(DropReason.DnsMismatch));
        scene.ExpectNothing();
        scene.PassMilliseconds(1801); // one resolver: asked again every other step
        Assert.NotSame(socket, scene.Host.Last);
        scene.AnswerLast();
        Assert.Equal((7, NoError), (Id(scene.TakeAnswer()), 0));
    }

    [Fact]
    public void An_answer_of_65535_octets_reaches_a_client_of_512_as_truncated()
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7));
        (_, byte[] sent, FakeSocket socket) = scene.Upstream()[0];
        byte[] answer = Answer(sent, records: 1);
        Array.Resize(ref answer, 65_507);
        scene.Deliver(socket, answer);
        byte[] got = scene.TakeAnswer();
        Assert.True(IsTruncated(got));
        Assert.Equal(QuestionEnd(sent), got.Length);
    }

    [Fact]
    public void With_no_memory_left_a_large_answer_is_truncated_and_a_small_one_is_whole()
    {
        using Scene scene = Scene.Quiet();
        var held = new List<Core.Memory.OwnedFrame>();
        while (scene.Pool.TryRent(out Core.Memory.OwnedFrame frame)) held.Add(frame);
        scene.Query(DnsMessage.Query(7, ednsSize: 4096));
        (_, byte[] sent, FakeSocket socket) = scene.Upstream()[0];
        scene.Deliver(socket, Answer(sent, records: 200));
        Assert.True(IsTruncated(scene.TakeAnswer()));
        scene.Query(DnsMessage.Query(8, ednsSize: 4096));
        scene.AnswerLast(records: 10);
        Assert.False(IsTruncated(scene.TakeAnswer()));
        foreach (Core.Memory.OwnedFrame frame in held) scene.Pool.Release(frame);
    }

    [Fact]
    public void An_event_for_a_socket_that_is_closed_is_dropped()
    {
        using Scene scene = Scene.Quiet();
        scene.Query(DnsMessage.Query(7));
        EventTarget target = scene.Host.Last.Owner;
        scene.AnswerLast();
        scene.Host.Frames.Clear();
        scene.Query(DnsMessage.Query(8)); // takes the same slot
        Assert.Equal(target.Index, scene.Host.Last.Owner.Index);
        scene.Services.OnEvent(target, HostEvents.Readable | HostEvents.Error, scene.Clock.Now);
        scene.Services.OnEvent(new EventTarget(EventKind.DnsUpstream, int.MaxValue, 0), HostEvents.Readable, scene.Clock.Now);
        scene.Services.OnEvent(new EventTarget(EventKind.DnsUpstream, -1, 0), HostEvents.Readable, scene.Clock.Now);
        Assert.Equal(1, scene.Services.Dns.PendingCount);
        scene.AnswerLast();
        Assert.Equal(8, Id(scene.TakeAnswer()));
    }

    [Fact]
    public void A_narrow_path_is_not_a_refusal()
    {
        using Scene scene = Scene.Quiet("nameserver 192.0.2.1\nnameserver 192.0.2.2\n");
        scene.Query(DnsMessage.Query(7));
        FakeSocket socket = scene.Host.Last;
        IpEndpoint to = socket.Peer!.Value;
        socket.DeliverError(new HostIcmpError(to, to.Address, 3, 4, 1000, IsLocal: false), pending: HostError.MessageTooLong);
        scene.Pump();
        Assert.Equal("1", scene.Asked());
    }
}
