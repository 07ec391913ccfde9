using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Slirp.EndToEnd.Tests.Harness;
using Slirp.EndToEnd.Tests.Hostile;
using Slirp.Testing;
using Xunit;
using Xunit.Abstractions;

namespace Slirp.EndToEnd.Tests;

/// <summary>
/// Everything at once for as long as SLIRP_SOAK_SECONDS says (tests/soak sets it): bulk, connections, names, pings, random
/// frames, control clients that hang. Afterwards all is as it was before, and an echo was never kept waiting for long.
/// </summary>
public sealed class SoakTests(ITestOutputHelper output) : IDisposable
{
    private const AddressFamily V4 = AddressFamily.InterNetwork;
    private const int ConnectionsPerSecond = 200, QueriesPerSecond = 100, FramesPerSecond = 1000, HangingClients = 50;
    private const double MaxEchoP99 = 5; // ms
    private const double MaxEcho = 2000; // ms: what MaxStolen leaves to a hypervisor in one piece, and some more
    private const int FewEchoes = 1000; // of twelve thousand a minute: at the beginning and at the end
    private const int MaxGrowthKib = 20_000; // pools and the collector's room for the load, which a leak passes within the hour
    private const double MaxStolen = 0.02; // of the processors' time: more, and a virtual machine measures its neighbours
    private const double LeastPongs = 0.999; // of the pings: a queue that bulk has filled may drop one
    private static readonly TimeSpan SettlingTime = TimeSpan.FromMinutes(4);

    private readonly CancellationTokenSource _over = new();
    private readonly List<double> _undisturbed = []; // delays of the echo in minutes in which the machine was ours
    private ProcessorTime _processors = ProcessorTime.Now();
    private long _connections, _queries, _frames, _reports, _pings, _pongs;

    public void Dispose() => _over.Dispose();

    [SoakFact]
    public async Task Everything_at_once_leaves_nothing_and_keeps_nobody_waiting()
    {
        await using var resolver = new StubResolver();
        var plan = new SlirpPlan
        {
            OwnHost = true,
            Api = true,
            Capture = false,
            ResolvConf = "nameserver 127.0.0.1\n",
            Before = async network =>
            {
                await resolver.StartAsync(network);
                await network.HostRunsAsync("sysctl -qw net.ipv4.ip_local_port_range=2000\t65000 net.ipv4.tcp_tw_reuse=1");
                await network.GuestRunsAsync("sysctl -qw net.ipv4.ip_local_port_range=2000\t65000 net.ipv4.tcp_tw_reuse=1");
            },
        };
        await GuestNetwork.WithAsync(plan, SoakAsync);
    }

    private async Task SoakAsync(GuestNetwork network)
    {
        var time = TimeSpan.FromSeconds(SoakFactAttribute.Seconds);
        await using var server = new TcpServer(network.Host, IPAddress.Loopback, TcpServer.EchoAsync);
        await WarmUpAsync(network, server.Port);
        Figures before = await FiguresAsync(network);
        output.WriteLine($"before: {before}");
        _over.CancelAfter(time);
        var echo = new Echo(network, _over.Token);
        Task[] loads =
        [
            BulkAsync(network, time), PingsAsync(network), ConnectionsAsync(network, server.Port), QueriesAsync(network),
            Task.Factory.StartNew(() => SendFrames(network), TaskCreationOptions.LongRunning), HangAsync(network), ReportAsync(network, echo),
        ];
        Task all = Task.WhenAll(loads);
        await all.ContinueWith(_ => { }, TaskScheduler.Default); // an hour's figures are worth telling whatever has failed
        string last = EchoReport(echo);
        output.WriteLine($"last minute: {last}");
        double[] delays = echo.Finish();
        double[] undisturbed = [.. _undisturbed.Order()];
        output.WriteLine($"in minutes in which at most {MaxStolen:P0} of the processors' time was stolen, {Summary(undisturbed)}");
        output.WriteLine($"{_connections} connections, {_queries} queries, {_frames} random frames, {_pongs} of {_pings} pings answered, {Summary(delays)}");
        await all;
        Assert.True(echo.Failure is null, $"the echo ended: {echo.Failure}");
        Assert.InRange(_pongs, _pings * LeastPongs, _pings);
        Figures after = await SettleAsync(network, before);
        output.WriteLine($"after: {after}");
        Assert.InRange(after.Descriptors, 0, before.Descriptors + 2);
        Assert.Equal((0, 0), (after.TcpFlows, after.UdpMappings));
        Assert.InRange(after.ResidentKib, 0, before.ResidentKib + MaxGrowthKib);
        Assert.True(undisturbed.Length > 0, "the machine beneath this virtual machine was never left to it: delays mean nothing");
        Assert.InRange(At(undisturbed, 0.99), 0, MaxEchoP99);
        Assert.InRange(undisturbed[^1], 0, MaxEcho);
    }

    private static async Task WarmUpAsync(GuestNetwork network, int port)
    {
        await Transfer.BothAtOnceAsync(network, V4, 8 << 20);
        for (int i = 0; i < 2000; i++) await ConnectOnceAsync(network, port, i);
    }

    private static string Summary(double[] sorted) => sorted.Length == 0 ? "no echo" : string.Create(CultureInfo.InvariantCulture,
        $"{sorted.Length} echoes: median {At(sorted, 0.5):0.000} ms, p99 {At(sorted, 0.99):0.000} ms, p99.9 {At(sorted, 0.999):0.000} ms, worst {sorted[^1]:0.0} ms");

    private static double At(double[] sorted, double quantile) => sorted[(int)(sorted.Length * quantile)];

    /// <summary>iperf3 both ways in turn, and as much of everything again in hashes compared.</summary>
    private async Task BulkAsync(GuestNetwork network, TimeSpan time)
    {
        await using ChildProcess server = network.HostNamespace.Start("iperf3", "-s", "-p", "5201", "--forceflush");
        await server.StdoutLineAsync("listening");
        long turn = 0;
        for (var left = time; left > TimeSpan.FromSeconds(2) && !_over.IsCancellationRequested; turn++)
        {
            var slice = Stopwatch.StartNew();
            string seconds = Math.Min(20, (int)left.TotalSeconds - 1).ToString(CultureInfo.InvariantCulture);
            string[] direction = turn % 2 == 0 ? [] : ["-R"];
            (await network.Guest.RunAsync(["iperf3", "-c", "10.0.2.2", "-p", "5201", "-t", seconds, "-b", "2G", .. direction])).Succeeded();
            await Transfer.BothAtOnceAsync(network, turn % 2 == 0 ? V4 : AddressFamily.InterNetworkV6, 4 << 20);
            left -= slice.Elapsed;
        }
    }

    /// <summary>Each run of ping has a deadline: replies to random frames may look like its own, with any time in them, and it
    /// waits at its end for twice the longest that it has seen.</summary>
    private async Task PingsAsync(GuestNetwork network)
    {
        while (!_over.IsCancellationRequested)
        {
            string said = (await network.Guest.RunAsync("ping", "-n", "-q", "-i", "0.05", "-w", "40", "-c", "400", "10.0.2.2")).Succeeded();
            Match counts = Regex.Match(said, @"(\d+) packets transmitted, (\d+) received");
            _pings += long.Parse(counts.Groups[1].Value, CultureInfo.InvariantCulture);
            _pongs += long.Parse(counts.Groups[2].Value, CultureInfo.InvariantCulture);
        }
    }

    private Task ConnectionsAsync(GuestNetwork network, int port) => PacedAsync(ConnectionsPerSecond, async () =>
    {
        await ConnectOnceAsync(network, port, (int)_connections++);
    });

    private async Task QueriesAsync(GuestNetwork network)
    {
        var answer = new byte[512];
        await PacedAsync(QueriesPerSecond, async () =>
        {
            using Socket socket = network.Guest.CreateSocket(V4, SocketType.Dgram, ProtocolType.Udp);
            await socket.SendToAsync(DnsMessage.Query((int)(_queries & 0xffff), $"n{_queries}.example.test"), new IPEndPoint(GuestNetwork.Forwarder(V4), 53));
            int length = await socket.ReceiveAsync(answer).WithinAsync($"the answer to query {_queries}");
            Assert.Equal(DnsMessage.NoError, DnsMessage.Code(answer.AsSpan(0, length)));
            _queries++;
        });
    }

    private void SendFrames(GuestNetwork network)
    {
        using RawLink link = RawLink.Open(network.Guest);
        var packets = new Packets(link.GuestMac) { Sink = 9 };
        IEnumerable<Attack> all = [.. LinkAttacks.All(packets), .. Ipv4Attacks.All(packets), .. FragmentAttacks.All(packets), .. Ipv6Attacks.All(packets), .. DatagramAttacks.Icmp(packets), .. DatagramAttacks.Udp(packets), .. ServiceAttacks.Dhcp(packets), .. ServiceAttacks.Dns(packets)];
        var clock = Stopwatch.StartNew();
        foreach (Attack part in Storm.Of(all, Environment.TickCount, int.MaxValue))
        {
            foreach (byte[] frame in part.Frames)
            {
                if (_over.IsCancellationRequested) return;
                link.Send(frame);
                if (++_frames % 50 != 0) continue;
                double ahead = (double)_frames / FramesPerSecond - clock.Elapsed.TotalSeconds;
                if (ahead > 0) Thread.Sleep(TimeSpan.FromSeconds(ahead));
            }
        }
    }

    /// <summary>Control clients that say half of a request and wait until they are thrown out.</summary>
    private async Task HangAsync(GuestNetwork network)
    {
        var hanging = new Queue<Socket>();
        await PacedAsync(10, async () =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            hanging.Enqueue(socket);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(network.ApiPath)).WithinAsync("a connection to the control socket");
            await socket.SendAsync("{\"execute\":"u8.ToArray());
            if (hanging.Count > HangingClients) hanging.Dequeue().Dispose();
        });
        foreach (Socket socket in hanging) socket.Dispose();
    }

    private Task ReportAsync(GuestNetwork network, Echo echo) => PacedAsync(1.0 / 60, async () =>
    {
        string line = $"minute {_reports++}: {await FiguresAsync(network)}, {EchoReport(echo)}";
        output.WriteLine(line);
        await Console.Error.WriteLineAsync(line);
    });

    /// <summary>The echo's delay since the last report, and how much of the processors' time the machine beneath took.</summary>
    private string EchoReport(Echo echo)
    {
        double[] delays = echo.Latest();
        ProcessorTime now = ProcessorTime.Now();
        double stolen = now.StolenSince(_processors);
        _processors = now;
        if (delays.Length < FewEchoes) return $"{delays.Length} echoes, too few to tell";
        if (stolen <= MaxStolen) _undisturbed.AddRange(delays);
        return string.Create(CultureInfo.InvariantCulture, $"echo p99 {At(delays, 0.99):0.000} ms, {stolen:P1} stolen");
    }

    /// <summary>Does something so many times a second until it is over; what came late is made up for.</summary>
    private async Task PacedAsync(double perSecond, Func<Task> act)
    {
        var clock = Stopwatch.StartNew();
        for (long done = 0; !_over.IsCancellationRequested; done++)
        {
            await act();
            TimeSpan ahead = TimeSpan.FromSeconds((done + 1) / perSecond) - clock.Elapsed;
            if (ahead > TimeSpan.Zero) await Task.WhenAny(Task.Delay(ahead, _over.Token));
        }
    }

    private static async Task ConnectOnceAsync(GuestNetwork network, int port, int seed)
    {
        using Socket guest = await network.ConnectAsync(V4, port);
        await EchoFlow.BeatAsync(guest, seed, 1000);
        guest.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await guest.ReceiveAsync(new byte[1]).WithinAsync("the server's end"));
    }

    private static async Task<Figures> FiguresAsync(GuestNetwork network)
    {
        SlirpStatus status = await SlirpStatus.AskAsync(network.Api);
        return new Figures(network.Figures.ResidentKib(), network.Figures.Descriptors(), status.TcpFlows, status.UdpMappings, network.Figures.CpuTicks());
    }

    /// <summary>Random frames opened flows that nobody closes: they expire.</summary>
    private static async Task<Figures> SettleAsync(GuestNetwork network, Figures before)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            Figures now = await FiguresAsync(network);
            bool isSettled = now.TcpFlows == 0 && now.UdpMappings == 0 && now.Descriptors <= before.Descriptors + 2;
            if (isSettled || clock.Elapsed > SettlingTime) return now;
            await Task.Delay(1000);
        }
    }

    /// <summary>The first line of proc_stat(5), in ticks: of all, and what a hypervisor gave to others.</summary>
    private readonly record struct ProcessorTime(long All, long Stolen)
    {
        public static ProcessorTime Now()
        {
            const int steal = 7, guest = 8; // guest time is in user time already
            long[] ticks = [.. File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..]
                .Select(number => long.Parse(number, CultureInfo.InvariantCulture))];
            return new ProcessorTime(ticks[..guest].Sum(), ticks[steal]);
        }

        public double StolenSince(ProcessorTime earlier) => (double)(Stolen - earlier.Stolen) / Math.Max(1, All - earlier.All);
    }

    private sealed record Figures(long ResidentKib, int Descriptors, int TcpFlows, int UdpMappings, long CpuTicks);

    /// <summary>Sixty-four octets there and back every few milliseconds, on threads of their own with calls that block. They
    /// go before all others, so that what is measured is how long slirpnet keeps an echo waiting among all that wants the
    /// processors, and not how long the programs that make the load keep the measurement waiting.</summary>
    /// <remarks>An echo that was due while the one before was still on its way has waited too, until that one came: a stall
    /// counts for as long as it was, and not as one slow echo.</remarks>
    private sealed class Echo
    {
        private const int PatienceMilliseconds = 60_000;
        private static readonly long Interval = Stopwatch.Frequency / 200;

        private readonly List<double> _delays = [];
        private readonly Lock _lock = new();
        private int _reported;
        private readonly Thread _guestThread, _hostThread;
        private readonly Socket _guest, _host;
        private readonly CancellationToken _over;

        public Echo(GuestNetwork network, CancellationToken over)
        {
            _over = over;
            using Socket listener = network.Host.CreateSocket(V4, SocketType.Stream, ProtocolType.Tcp);
            listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            listener.Listen(1);
            _guest = network.Guest.CreateSocket(V4, SocketType.Stream, ProtocolType.Tcp);
            _guest.Connect(GuestNetwork.Gateway(V4), ((IPEndPoint)listener.LocalEndPoint!).Port);
            _host = listener.Accept();
            _guest.NoDelay = _host.NoDelay = true;
            _guest.ReceiveTimeout = PatienceMilliseconds;
            _guestThread = new Thread(() => Guard(Ask));
            _hostThread = new Thread(() => Guard(Answer));
            _guestThread.Start();
            _hostThread.Start();
        }

        /// <summary>Why it ended before it was over.</summary>
        public Exception? Failure { get; private set; }

        /// <returns>Milliseconds, sorted.</returns>
        public double[] Finish()
        {
            _guestThread.Join();
            Guard(() => _host.Shutdown(SocketShutdown.Both)); // where the guest's end never comes
            _hostThread.Join();
            _guest.Dispose();
            _host.Dispose();
            _delays.Sort();
            return [.. _delays];
        }

        /// <returns>Milliseconds, sorted, of those since the last call.</returns>
        public double[] Latest()
        {
            lock (_lock)
            {
                double[] latest = [.. _delays.Skip(_reported).Order()];
                _reported = _delays.Count;
                return latest;
            }
        }

        private void Guard(Action act)
        {
            try
            {
                act();
            }
            catch (Exception e) when (e is SocketException or EndOfStreamException)
            {
                if (!_over.IsCancellationRequested) Failure ??= e;
            }
        }

        private static void GoFirst() => _ = Native.setpriority(0, 0, -20); // this thread; a plain user may not

        private void Ask()
        {
            GoFirst();
            var octets = new byte[64];
            for (long due = Stopwatch.GetTimestamp(); !_over.IsCancellationRequested;)
            {
                long start = Stopwatch.GetTimestamp();
                _guest.Send(octets);
                for (int got = 0; got < octets.Length;)
                {
                    int count = _guest.Receive(octets.AsSpan(got));
                    if (count == 0) throw new EndOfStreamException("the guest was told of an end that the host had not made");
                    got += count;
                }
                long end = Stopwatch.GetTimestamp();
                lock (_lock)
                {
                    for (long since = start; since < end; since += Interval)
                        _delays.Add(Stopwatch.GetElapsedTime(since, end).TotalMilliseconds);
                }
                while (due <= end) due += Interval;
                Thread.Sleep(1 + (int)Stopwatch.GetElapsedTime(end, due).TotalMilliseconds); // whole ones, and never too soon
            }
            _guest.Shutdown(SocketShutdown.Send);
        }

        private void Answer()
        {
            GoFirst();
            var octets = new byte[64];
            while (_host.Receive(octets) is int count and > 0) _host.Send(octets.AsSpan(0, count));
        }
    }
}
