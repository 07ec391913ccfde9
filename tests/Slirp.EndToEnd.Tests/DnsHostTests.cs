using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Slirp.Testing;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>The forwarder with resolvers that lie, are silent or send too much, and with a resolv.conf that is none.</summary>
public class DnsHostTests
{
    private const AddressFamily V4 = AddressFamily.InterNetwork;
    private const string Living = "nameserver 127.0.0.1\n";

    public static TheoryData<string> Ruins => new() { "gone", "empty", "dangling", "loop", "directory", "fifo", "junk" };

    /// <summary>Scenarios 53, 54 and C4: while it is no file that names a resolver the answer is SERVFAIL; then it works
    /// again.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Ruins))]
    public Task What_is_not_a_resolv_conf_is_none_until_it_is_one(string ruin) =>
        WithResolverAsync(Living, new StubResolver(), async network =>
        {
            string file = network.PathOfHost("/etc/resolv.conf");
            await UntilAsync(network, DnsMessage.NoError);
            File.Delete(file);
            switch (ruin)
            {
                case "empty":
                    await File.WriteAllTextAsync(file, "");
                    break;
                case "dangling":
                    File.CreateSymbolicLink(file, "nothing-there");
                    break;
                case "loop":
                    File.CreateSymbolicLink(file, "resolv.conf");
                    break;
                case "directory":
                    (await ChildProcess.RunAsync("mkdir", file)).Succeeded();
                    break;
                case "fifo":
                    (await ChildProcess.RunAsync("mkfifo", file)).Succeeded();
                    break;
                case "junk":
                    await File.WriteAllBytesAsync(file, [.. "nameserver\nnameserver x\nnameserver 1.2.3.4.5\nnameserver \0\xff"u8, .. Payload.Octets(1, 5000)]);
                    break;
            }

            await UntilAsync(network, DnsMessage.ServFail);
            if (Directory.Exists(file)) Directory.Delete(file);
            else File.Delete(file);
            await File.WriteAllTextAsync(file, Living);
            await UntilAsync(network, DnsMessage.NoError);
        });

    /// <summary>Scenario 52: the router of a network without IPv4, as its advertisements name it.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("dns0")]
    [InlineData("77")]
    public Task A_resolver_may_be_a_link_local_address_of_an_interface(string scope) =>
        WithResolverAsync($"nameserver fe80::53%{scope}\n", new StubResolver("::"), async network =>
        {
            Assert.Equal(DnsMessage.NoError, DnsMessage.Code(await AskAsync(network, DnsMessage.Query(1))));
            using Socket tcp = await ConnectAsync(network);
            await tcp.SendAsync(StubResolver.Framed(DnsMessage.Query(77)));
            var answer = new byte[512];
            int count = await tcp.ReceiveAsync(answer).WithinAsync("the answer over TCP");
            Assert.Equal(77, DnsMessage.Id(answer.AsSpan(2, count)));

            await network.HostRunsAsync("ip link del dns0");
            await UntilAsync(network, DnsMessage.ServFail);
            await AddInterfaceAsync(network);
            await UntilAsync(network, DnsMessage.NoError);
        }, AddInterfaceAsync);

    /// <summary>Scenario C4: a hundred megabytes, a thousand servers, no end of line.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task A_huge_resolv_conf_is_read_as_far_as_it_makes_sense() =>
        WithResolverAsync("", new StubResolver(), async network =>
        {
            const long MaxGrowthKib = 20_000;
            await UntilAsync(network, DnsMessage.ServFail);
            long before = network.Figures.ResidentKib();
            await using (FileStream file = File.Create(network.PathOfHost("/etc/resolv.conf")))
            {
                file.Write("nameserver 127.0.0.1\n"u8);
                for (int i = 0; i < 1000; i++) file.Write(System.Text.Encoding.ASCII.GetBytes($"nameserver 127.1.{i / 250}.{i % 250 + 1}\n"));
                file.Write("search "u8);
                var much = new byte[1 << 20];
                Array.Fill(much, (byte)'x');
                for (int i = 0; i < 100; i++) file.Write(much);
            }

            await UntilAsync(network, DnsMessage.NoError);
            Assert.InRange(network.Figures.ResidentKib(), 0, before + MaxGrowthKib);
            await File.WriteAllTextAsync(network.PathOfHost("/etc/resolv.conf"), Living); // the disk is others' too
        });

    /// <summary>Scenario 51: a resolver that says nothing, not even that it is not there.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("nameserver 127.0.0.9\nnameserver 127.0.0.1\n", DnsMessage.NoError)]
    [InlineData("nameserver 127.0.0.9\n", DnsMessage.ServFail)]
    public async Task A_silent_resolver_is_passed_over(string resolvConf, int code)
    {
        await using var silent = new StubResolver("127.0.0.9") { AnswerUdp = _ => [] };
        await WithResolverAsync(resolvConf, new StubResolver(), async network =>
        {
            Assert.Equal(code, DnsMessage.Code(await AskAsync(network, DnsMessage.Query(5))));
            Assert.InRange(silent.Queries, 1, 100);
        }, silent.StartAsync);
    }

    /// <summary>Scenario N5: what comes with another identifier or question, or from elsewhere, is not the answer.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Forged_answers_are_dropped()
    {
        byte[] forged = [];
        Socket? elsewhere = null, other = null;
        var resolver = new StubResolver
        {
            OnQuery = (query, from) =>
            {
                forged = DnsMessage.Answer(query, DnsMessage.NxDomain);
                elsewhere!.SendTo(forged, from); // the right address, another port
                other!.SendTo(forged, from); // another address, the right port
            },
            AnswerUdp = query =>
            [
                DnsMessage.WithId(forged, DnsMessage.Id(query) ^ 1), DnsMessage.WithId(forged, 0),
                DnsMessage.Answer(DnsMessage.Query(DnsMessage.Id(query), "other.example.test"), DnsMessage.NxDomain),
                query, [], [1], DnsMessage.Answer(query),
            ],
        };
        await WithResolverAsync(Living, resolver, async network =>
        {
            for (int id = 0; id < 50; id++)
            {
                byte[] answer = await AskAsync(network, DnsMessage.Query(id, $"n{id}.example.test"));
                Assert.Equal((id, DnsMessage.NoError), (DnsMessage.Id(answer), DnsMessage.Code(answer)));
            }

            SlirpStatus status = await SlirpStatus.AskAsync(network.Api);
            Assert.True(status.Dropped("DnsMismatch") > 0, status.Since(status with { Counters = [], Drops = [] }));
        }, network =>
        {
            elsewhere = Bound(network, "127.0.0.1", 5353);
            other = Bound(network, "127.0.0.2", 53);
            return Task.CompletedTask;
        });
        elsewhere!.Dispose();
        other!.Dispose();
    }

    /// <summary>Scenario N8: whoever forges an answer has to know the port that the question left from, and that is another each time,
    /// of the kernel's choice among all that it has. Identifiers are Services: DnsForwarderTests.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Each_question_leaves_from_a_port_that_nobody_can_tell()
    {
        const int Questions = 400, Bins = 8;
        var ports = new List<int>();
        await WithResolverAsync(Living, new StubResolver { OnQuery = (_, from) => ports.Add(from.Port) }, async network =>
        {
            for (int i = 0; i < Questions; i++)
                Assert.Equal(DnsMessage.NoError, DnsMessage.Code(await AskAsync(network, DnsMessage.Query(i, $"n{i}.example.test"))));
            string range = (await network.HostNamespace.RunAsync("cat", "/proc/sys/net/ipv4/ip_local_port_range")).Succeeded();
            int[] ends = [.. range.Split('\t').Select(int.Parse)];
            Assert.InRange(ports.Take(Questions).Distinct().Count(), Questions - 20, Questions); // of some thirty thousand
            var (places, steps) = (new int[Bins], new int[Bins]);
            int size = ends[1] - ends[0] + 1;
            for (int i = 0; i < Questions; i++)
            {
                Assert.InRange(ports[i], ends[0], ends[1]);
                places[(ports[i] - ends[0]) * Bins / size]++;
                steps[(ports[i] - ports[Math.Max(0, i - 1)] + size) % size * Bins / size]++;
            }

            // Chi-square, 7 degrees of freedom: 50 is exceeded with a probability below 0.0000001.
            foreach (int[] found in (int[][])[places, steps])
                Assert.InRange(ChiSquare.Of(found), 0, 50);
        });
    }

    /// <summary>Scenario 14: the user's inotify instances are used up. The file is looked at by the clock.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Without_inotify_a_change_is_followed_too() =>
        WithResolverAsync("", new StubResolver(), async network =>
        {
            Assert.False(InotifyTests.HasInotify(network.Slirp.Pid));
            string file = network.PathOfHost("/etc/resolv.conf");
            await UntilAsync(network, DnsMessage.ServFail);
            await File.WriteAllTextAsync(file, Living);
            await UntilAsync(network, DnsMessage.NoError);
            File.Delete(file);
            await UntilAsync(network, DnsMessage.ServFail);
            await File.WriteAllTextAsync(file + ".new", Living);
            File.Move(file + ".new", file);
            await UntilAsync(network, DnsMessage.NoError);
        }, like: new SlirpPlan { Attachment = Attachment.Descriptor, Prefix = InotifyTests.UsedUp });

    /// <summary>Scenarios 55 and N6: the client gets what it said it takes, and knows that there is more.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(null, 512)]
    [InlineData(1232, 1232)]
    [InlineData(4096, 4096)]
    [InlineData(65535, 65535)]
    public Task A_giant_answer_is_cut_to_what_the_client_takes(int? edns, int limit) =>
        WithResolverAsync(Living, new StubResolver { AnswerUdp = query => [DnsMessage.Answer(query, records: 4000)] }, async network =>
        {
            byte[] answer = await AskAsync(network, DnsMessage.Query(9, ednsSize: edns));
            Assert.InRange(answer.Length, 12, limit);
            Assert.Equal(limit < 64_000, DnsMessage.IsTruncated(answer));
            if (limit >= 64_000) Assert.Equal(4000, DnsMessage.AnswerCount(answer));
        });

    /// <summary>Scenario N7: clients of the forwarder over TCP that say half and wait, a thousand of them.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task Idle_and_hostile_TCP_clients_do_not_keep_others_from_answers() =>
        WithResolverAsync(Living, new StubResolver(), async network =>
        {
            const int Idle = 1000;
            var waiting = new List<Socket>();
            byte[][] beginnings = [[], [0], [0, 0], [0, 1], [0, 1, 9], [0xff, 0xff], [0xff, 0xff, 1, 2, 3]];
            for (int i = 0; i < Idle; i++)
            {
                Socket socket = await ConnectAsync(network);
                await socket.SendAsync(beginnings[i % beginnings.Length]);
                waiting.Add(socket);
            }

            using Socket slow = await ConnectAsync(network);
            foreach (byte octet in StubResolver.Framed(DnsMessage.Query(77)))
            {
                await slow.SendAsync(new[] { octet });
                Assert.Equal(DnsMessage.NoError, DnsMessage.Code(await AskAsync(network, DnsMessage.Query(octet))));
            }

            var answer = new byte[512];
            int count = await slow.ReceiveAsync(answer).WithinAsync("the answer to the slow client");
            Assert.Equal(77, DnsMessage.Id(answer.AsSpan(2, count)));
            waiting.ForEach(socket => socket.Dispose());
        });

    private static async Task<Socket> ConnectAsync(GuestNetwork network)
    {
        Socket socket = network.Guest.CreateSocket(V4, SocketType.Stream, ProtocolType.Tcp);
        socket.NoDelay = true;
        await socket.ConnectAsync(GuestNetwork.Forwarder(V4), 53).WithinAsync("a connection to the forwarder");
        return socket;
    }

    private static Socket Bound(GuestNetwork network, string address, int port)
    {
        Socket socket = network.HostNamespace.CreateSocket(V4, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Parse(address), port));
        return socket;
    }

    private static async Task AddInterfaceAsync(GuestNetwork network)
    {
        await network.HostRunsAsync("ip link add dns0 index 77 type veth peer name dns1");
        await network.HostRunsAsync("ip address add fe80::53/64 dev dns0 nodad");
        foreach (string end in (string[])["dns0", "dns1"]) await network.HostRunsAsync($"ip link set {end} up");
    }

    private static async Task<byte[]> AskAsync(GuestNetwork network, byte[] query)
    {
        using Socket socket = network.Guest.CreateSocket(V4, SocketType.Dgram, ProtocolType.Udp);
        await socket.SendToAsync(query, new IPEndPoint(GuestNetwork.Forwarder(V4), 53));
        var answer = new byte[65536];
        return answer[..await socket.ReceiveAsync(answer).WithinAsync("an answer")];
    }

    /// <summary>Asks until the answer has a code: a change is noticed a moment after it was made.</summary>
    private static async Task UntilAsync(GuestNetwork network, int code)
    {
        async Task AskOnAsync()
        {
            while (DnsMessage.Code(await AskAsync(network, DnsMessage.Query(3))) != code) await Task.Delay(5);
        }

        await AskOnAsync().WithinAsync($"answers with code {code}");
    }

    private static async Task WithResolverAsync(
        string resolvConf, StubResolver resolver, Func<GuestNetwork, Task> test, Func<GuestNetwork, Task>? before = null,
        SlirpPlan? like = null)
    {
        SlirpPlan plan = (like ?? new SlirpPlan()) with
        {
            OwnHost = true,
            Api = true,
            ResolvConf = resolvConf,
            Before = async network =>
            {
                await resolver.StartAsync(network);
                if (before is not null) await before(network);
            },
        };
        await using (resolver) await GuestNetwork.WithAsync(plan, test);
    }
}
