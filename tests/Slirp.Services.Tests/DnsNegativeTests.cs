using Slirp.Testing;
using Slirp.Wire;
using Xunit;
using static Slirp.Testing.DnsMessage;

namespace Slirp.Services.Tests;

/// <summary>Two resolvers that know different names: the one listed first, and one that denies what only the first knows.</summary>
public class DnsNegativeTests
{
    private const string Two = "nameserver 192.0.2.1\nnameserver 192.0.2.2\n";
    private const string Three = Two + "nameserver 192.0.2.3\n";

    [Fact]
    public void A_slow_first_resolver_is_waited_for()
    {
        using Scene scene = DeniedBySecond();
        scene.PassMilliseconds(1600);
        scene.ExpectNothing();
        AnswerFirst(scene);
        Assert.Equal(1, AnswerCount(scene.TakeAnswer()));
        ExpectNothingLeft(scene);
    }

    [Fact]
    public void It_is_not_waited_for_longer_than_a_client_waits()
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        scene.PassMilliseconds(901);
        (_, byte[] query, FakeSocket socket) = scene.Upstream()[^1];
        byte[] denial = Answer(query, NxDomain, records: 0);
        scene.Deliver(socket, denial);
        scene.PassMilliseconds(1798);
        scene.ExpectNothing();
        scene.PassMilliseconds(2);
        Assert.Equal(WithId(denial, 7), scene.TakeAnswer());
        ExpectNothingLeft(scene);
    }

    [Theory]
    [InlineData(ServFail)]
    [InlineData(Refused)]
    [InlineData(NxDomain)]
    public void When_the_first_cannot_help_either_the_name_does_not_exist(int code)
    {
        using Scene scene = DeniedBySecond();
        scene.ExpectNothing();
        AnswerFirst(scene, code);
        Assert.Equal(NxDomain, Code(scene.TakeAnswer()));
        ExpectNothingLeft(scene);
    }

    [Fact]
    public void When_the_first_goes_meanwhile_the_name_does_not_exist()
    {
        using Scene scene = DeniedBySecond();
        scene.Unreachable(scene.Upstream()[0].Socket);
        Assert.Equal(NxDomain, Code(scene.TakeAnswer()));
        ExpectNothingLeft(scene);
    }

    /// <summary>Whom a router cannot reach is not waited for, whichever is heard first.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void When_a_router_doubts_the_first_the_name_does_not_exist(bool isHintFirst)
    {
        using Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        (_, byte[] query, FakeSocket socket) = scene.Upstream()[0];
        if (isHintFirst)
        {
            scene.Hint(socket, 3, 1, query);
            scene.AnswerLast(NxDomain, records: 0);
        }
        else
        {
            scene.PassMilliseconds(901);
            scene.AnswerLast(NxDomain, records: 0);
            scene.ExpectNothing();
            scene.Hint(socket, 3, 1, query);
        }
        Assert.Equal(NxDomain, Code(scene.TakeAnswer()));
        Assert.Equal("12", scene.Asked());
        ExpectNothingLeft(scene);
    }

    [Fact]
    public void What_the_first_was_asked_with_may_have_been_lost()
    {
        using Scene scene = DeniedBySecond();
        scene.PassMilliseconds(900);
        Assert.Equal("121", scene.Asked());
        scene.AnswerLast();
        Assert.Equal(1, AnswerCount(scene.TakeAnswer()));
        ExpectNothingLeft(scene);
    }

    /// <summary>Its port was closed a moment ago, so others are asked first; it may be open by now.</summary>
    [Fact]
    public void A_first_resolver_that_was_restarted_is_asked_again()
    {
        using Scene scene = Scene.Quiet(Two);
        LetFirstRefuse(scene);
        scene.Query(DnsMessage.Query(8));
        Assert.Equal("122", scene.Asked());
        scene.AnswerLast(NxDomain, records: 0);
        Assert.Equal("1221", scene.Asked());
        scene.AnswerLast();
        Assert.Equal(1, AnswerCount(scene.TakeAnswer()));
        scene.Query(DnsMessage.Query(9));
        Assert.Equal("12211", scene.Asked()); // it is first again
    }

    [Fact]
    public void A_first_resolver_that_still_refuses_costs_no_time()
    {
        using Scene scene = Scene.Quiet(Two);
        LetFirstRefuse(scene);
        scene.Query(DnsMessage.Query(8));
        scene.AnswerLast(NxDomain, records: 0);
        scene.ExpectNothing();
        scene.Unreachable(scene.Host.Last);
        Assert.Equal(NxDomain, Code(scene.TakeAnswer()));
        ExpectNothingLeft(scene);
    }

    /// <summary>One answer of it was late or lost, and then nobody asked: that is no silence.</summary>
    [Fact]
    public void A_first_resolver_that_nobody_has_asked_for_long_is_waited_for()
    {
        using Scene scene = SilentOnce();
        scene.Pass(TimeSpan.FromSeconds(30));
        scene.Host.Frames.Clear();
        scene.Query(DnsMessage.Query(8));
        scene.Query(DnsMessage.Query(9, type: 28)); // as every program asks: for both families at once
        Assert.Equal("12212", scene.Asked());
        List<(IpEndpoint, byte[] Query, FakeSocket Socket)> asked = scene.Upstream();
        Deny(scene, asked[2]);
        Deny(scene, asked[4]);
        scene.ExpectNothing();
        Assert.Equal("122121", scene.Asked());
        scene.AnswerLast();
        ExpectRecord(scene, 9);
        scene.Deliver(asked[3].Socket, Answer(asked[3].Query));
        ExpectRecord(scene, 8);
        ExpectNothingLeft(scene);
    }

    [Fact]
    public void A_first_resolver_that_was_slow_once_was_not_silent()
    {
        using Scene scene = SilentOnce();
        scene.PassMilliseconds(300);
        AnswerFirst(scene);
        ExpectNothingLeft(scene);
        scene.Query(DnsMessage.Query(8));
        Assert.Equal("121", scene.Asked());
    }

    [Fact]
    public void A_first_resolver_that_has_been_silent_for_long_is_not_waited_for()
    {
        using Scene scene = SilentOnce();
        scene.PassMilliseconds(5_000);
        scene.Query(DnsMessage.Query(8)); // its silence is young: it is asked as well
        scene.AnswerLast(NxDomain, records: 0);
        Assert.Equal("1221", scene.Asked());
        scene.PassMilliseconds(2_701);
        Assert.Equal(NxDomain, Code(scene.TakeAnswer()));
        scene.PassMilliseconds(2_300);
        scene.Query(DnsMessage.Query(9));
        Deny(scene, scene.Upstream()[^2]); // beside it goes the probe
        Assert.False(scene.HasAnswer());
        scene.PassMilliseconds(901); // that was in vain as well, and now it has been for long
        Assert.Equal(NxDomain, Code(scene.TakeAnswer()));
        scene.Query(DnsMessage.Query(10));
        Deny(scene, scene.Upstream()[^1]);
        Assert.Equal(NxDomain, Code(scene.TakeAnswer()));
        scene.Pass(TimeSpan.FromMinutes(10));
        scene.Host.Frames.Clear();
        scene.Query(DnsMessage.Query(11));
        Deny(scene, scene.Upstream()[^2]);
        Assert.Equal(NxDomain, Code(scene.TakeAnswer()));
        ExpectNothingLeft(scene);
    }

    [Fact]
    public void Of_three_the_earliest_word_counts()
    {
        using Scene scene = Scene.Quiet(Three);
        scene.Query(DnsMessage.Query(7));
        scene.PassMilliseconds(1_801);
        Assert.Equal("123", scene.Asked());
        scene.AnswerLast(NxDomain, records: 0);
        scene.ExpectNothing();
        (_, byte[] query, FakeSocket socket) = scene.Upstream()[1];
        scene.Deliver(socket, Answer(query, NxDomain, records: 0));
        scene.ExpectNothing();
        AnswerFirst(scene);
        Assert.Equal(1, AnswerCount(scene.TakeAnswer()));
        ExpectNothingLeft(scene);
    }

    [Fact]
    public void A_new_configuration_forgets_what_the_old_resolvers_said()
    {
        using Scene scene = DeniedBySecond();
        scene.UpdateResolvers("nameserver 192.0.2.9\n");
        scene.ExpectNothing();
        Assert.Equal("129", scene.Asked());
        scene.AnswerLast();
        Assert.Equal(1, AnswerCount(scene.TakeAnswer()));
        ExpectNothingLeft(scene);
    }

    /// <summary>The first is silent, and the second, asked a step later, denies the name.</summary>
    private static Scene DeniedBySecond()
    {
        Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        scene.PassMilliseconds(901);
        scene.AnswerLast(NxDomain, records: 0);
        return scene;
    }

    /// <summary>The first is silent, and the second, asked a step later, answers.</summary>
    private static Scene SilentOnce()
    {
        Scene scene = Scene.Quiet(Two);
        scene.Query(DnsMessage.Query(7));
        scene.PassMilliseconds(901);
        scene.AnswerLast();
        scene.TakeAnswer();
        return scene;
    }

    private static void ExpectRecord(Scene scene, int id)
    {
        byte[] answer = scene.TakeAnswer();
        Assert.Equal((id, 1), (Id(answer), AnswerCount(answer)));
    }

    private static void Deny(Scene scene, (IpEndpoint, byte[] Query, FakeSocket Socket) asked) =>
        scene.Deliver(asked.Socket, Answer(asked.Query, NxDomain, records: 0));

    private static void LetFirstRefuse(Scene scene)
    {
        scene.Query(DnsMessage.Query(7));
        scene.Unreachable(scene.Host.Last);
        scene.AnswerLast();
        scene.TakeAnswer();
    }

    private static void AnswerFirst(Scene scene, int code = NoError)
    {
        (_, byte[] query, FakeSocket socket) = scene.Upstream()[0];
        scene.Deliver(socket, Answer(query, code, code == NoError ? 1 : 0));
    }

    /// <summary>But for the rest of a step, in which a silent resolver may still be heard.</summary>
    private static void ExpectNothingLeft(Scene scene)
    {
        scene.ExpectNothing();
        scene.PassMilliseconds(900);
        Assert.False(scene.HasAnswer());
        Assert.Equal((0, 0, 0), (scene.Services.Dns.PendingCount, scene.Host.OpenCount, scene.Pool.InUse));
    }
}
