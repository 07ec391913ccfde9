using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Slirp.Host.Control;
using Slirp.Linux;

namespace Slirp.Host.Tests.Control;

/// <summary>The control socket on a real path, with the clients that callers are, and with worse ones.</summary>
public sealed class ControlServerTests : IDisposable
{
    private const string List = """{"execute":"list_hostfwd"}""";
    private const string Empty = """{"entries":[],"return":{"entries":[]}}""";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60); // of a test that hangs

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("slirpnet-control-");
    private readonly FakeForwards _forwards = new();
    private ControlServer? _server;

    private string SocketPath => Path.Combine(_directory.FullName, "api.sock");

    public void Dispose()
    {
        _server?.Dispose();
        _directory.Delete(recursive: true);
    }

    [Fact]
    public void The_socket_is_its_owners_and_goes_with_the_server()
    {
        File.WriteAllText(SocketPath, "left behind");
        Serve();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(SocketPath));
        _server!.Dispose();
        _server = null;
        Assert.False(File.Exists(SocketPath));
        using Socket late = Unconnected();
        Assert.Throws<SocketException>(() => late.Connect(new UnixDomainSocketEndPoint(SocketPath)));
    }

    /// <summary>Two instances with one path: the later one has it, and keeps it when the former one ends.</summary>
    [Fact]
    public void A_socket_that_another_has_put_in_its_place_stays()
    {
        ControlServer former = ControlServer.Open(SocketPath, _forwards, ControlCommandsTests.Plan, _ => { });
        Serve();
        former.Dispose();
        using Socket client = Connect();
        client.Send(Encoding.UTF8.GetBytes(List));
        Assert.Equal(Empty, ReadToEnd(client));
    }

    [Fact]
    public void A_path_that_cannot_be_bound_is_told_as_slirp4netns_tells_it()
    {
        string path = Path.Combine(_directory.FullName, "no", "such", "directory.sock");
        var refused = Assert.Throws<LinuxException>(() => ControlServer.Open(path, _forwards, ControlCommandsTests.Plan, _ => { }));
        Assert.Equal(Errno.ENOENT, refused.Errno);
        Assert.StartsWith("api_bindlisten: bind", refused.Message);
    }

    [Fact]
    public void Answers_a_request_cut_at_any_octet_without_waiting_for_the_end()
    {
        Serve();
        byte[] request = Encoding.UTF8.GetBytes(List);
        for (int cut = 1; cut < request.Length; cut++)
        {
            using Socket client = Connect();
            client.Send(request.AsSpan(0, cut));
            client.Send(request.AsSpan(cut));
            Assert.Equal(Empty, ReadToEnd(client));
        }
    }

    /// <summary>Where our own code fails, one request has failed.</summary>
    [Fact]
    public void An_exception_ends_one_request_and_nothing_else()
    {
        var warnings = new BlockingCollection<string>();
        Serve(new ControlOptions { Warn = warnings.Add });
        _forwards.Fault = new InvalidOperationException("a test's");
        for (int i = 0; i < 2; i++)
        {
            using Socket client = Connect();
            client.Send("""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_port":80,"guest_port":80}}"""u8);
            Assert.Equal("""{"error":{"desc":"bad request: internal fault","detail":"a test's"}}""", ReadToEnd(client));
            Assert.Contains("a test's", warnings.Take(), StringComparison.Ordinal);
        }
        using Socket another = Connect();
        another.Send(Encoding.UTF8.GetBytes(List));
        Assert.Equal(Empty, ReadToEnd(another));
    }

    [Fact]
    public void Answers_one_octet_at_a_time()
    {
        Serve();
        using Socket client = Connect();
        foreach (byte octet in Encoding.UTF8.GetBytes(List)) client.Send([octet]);
        Assert.Equal(Empty, ReadToEnd(client));
    }

    [Fact]
    public void Serves_a_client_that_writes_a_line_closes_its_half_and_reads_to_the_end()
    {
        Serve();
        using Socket client = Connect();
        client.Send(Encoding.UTF8.GetBytes(List + "\n"));
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal(Empty, ReadToEnd(client));
    }

    [Fact]
    public void Serves_a_client_that_reads_once()
    {
        Serve();
        using Socket client = Connect();
        client.Send(Encoding.UTF8.GetBytes("""{"execute":"add_hostfwd","arguments":{"proto":"tcp","host_addr":"0.0.0.0","host_port":8080,"guest_addr":"","guest_port":80}}""" + "\n"));
        client.Shutdown(SocketShutdown.Send);
        var reply = new byte[2048];
        int count = client.Receive(reply);
        Assert.Equal("""{"return":{"id":1}}""", Encoding.UTF8.GetString(reply, 0, count));
    }

    [Theory]
    [InlineData("", "cannot parse JSON")]
    [InlineData("{\"execute\":", "cannot parse JSON")]
    [InlineData("rubbish", "cannot parse JSON")]
    public void The_end_without_a_request_is_answered(string text, string tail)
    {
        Serve();
        using Socket client = Connect();
        client.Send(Encoding.UTF8.GetBytes(text));
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal($$$"""{"error":{"desc":"bad request: {{{tail}}}"}}""", ReadToEnd(client));
    }

    [Fact]
    public void Too_much_is_refused_while_it_still_comes()
    {
        Serve();
        using Socket client = Connect();
        client.Send(Encoding.UTF8.GetBytes("{\"execute\":\"" + new string('x', 100_000)));
        Assert.Equal("""{"error":{"desc":"bad request: too large message"}}""", ReadToEnd(client));
    }

    [Fact]
    public void A_thousand_silent_clients_do_not_keep_it_from_answering()
    {
        Serve(new ControlOptions { MaxClients = 2000 });
        var silent = new List<Socket>();
        try
        {
            for (int i = 0; i < 1000; i++) silent.Add(Connect());
            using Socket client = Connect();
            client.Send(Encoding.UTF8.GetBytes(List));
            Assert.Equal(Empty, ReadToEnd(client));
        }
        finally
        {
            silent.ForEach(s => s.Dispose());
        }
    }

    [Fact]
    public void The_newest_client_is_refused_when_there_are_too_many_and_room_returns()
    {
        Serve(new ControlOptions { MaxClients = 2 });
        using Socket first = Connect(), second = Connect(), third = Connect();
        Assert.Equal("""{"error":{"desc":"bad request: too many clients"}}""", ReadToEnd(third));
        first.Send(Encoding.UTF8.GetBytes(List));
        Assert.Equal(Empty, ReadToEnd(first));
        first.Dispose();
        // The server sees the first one's end before it accepts the next: both wait for the same thread, in that order.
        second.Send(Encoding.UTF8.GetBytes(List));
        Assert.Equal(Empty, ReadToEnd(second));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("{\"execute\":", "cannot parse JSON")]
    public void A_client_that_does_not_finish_is_told_and_closed(string begun, string told)
    {
        // It begins to serve when all that is sent is there: its patience cannot end before.
        Serve(new ControlOptions { Patience = TimeSpan.FromMilliseconds(100) }, start: false);
        using Socket client = Connect();
        client.Send(Encoding.UTF8.GetBytes(begun));
        long since = Stopwatch.GetTimestamp();
        _server!.Start();
        string reply = ReadToEnd(client);
        Assert.Equal(told.Length > 0, reply.Length > 0);
        Assert.Contains(told, reply, StringComparison.Ordinal);
        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalMilliseconds, 50, 30_000);
    }

    [Fact]
    public void A_client_that_trickles_is_closed_all_the_same()
    {
        Serve(new ControlOptions { Patience = TimeSpan.FromMilliseconds(200) });
        using Socket client = Connect();
        long since = Stopwatch.GetTimestamp();
        try
        {
            while (Stopwatch.GetElapsedTime(since) < Limit)
            {
                client.Send(" "u8);
                client.Poll(10_000, SelectMode.SelectError);
            }
            Assert.Fail("it was never closed");
        }
        catch (SocketException e)
        {
            Assert.Equal(SocketError.Shutdown, e.SocketErrorCode); // EPIPE
        }
    }

    [Fact]
    public void A_reply_larger_than_the_sockets_buffer_arrives_whole()
    {
        Serve();
        var request = new Slirp.Host.Forwards.ForwardRequest(
            Slirp.Wire.IpProtocol.Tcp, Slirp.Wire.Ipv4Address.Any, 80, 1, ControlCommandsTests.Plan.Guest, 80);
        for (int i = 0; i < 10_000; i++) _forwards.Add(request);
        using Socket client = Connect();
        client.Send(Encoding.UTF8.GetBytes(List));
        string reply = ReadToEnd(client);
        Assert.True(reply.Length > 1_000_000);
        Assert.EndsWith("\"guest_port\":80}]}}", reply);
        Assert.Contains("\"id\":10000,", reply);
    }

    [Fact]
    public void Clients_before_the_start_are_answered_after_it()
    {
        _server = ControlServer.Open(SocketPath, _forwards, ControlCommandsTests.Plan, _ => { });
        using Socket client = Connect();
        client.Send(Encoding.UTF8.GetBytes(List));
        _server.Start();
        Assert.Equal(Empty, ReadToEnd(client));
    }

    [Theory]
    [InlineData(1000u, 1000u, true)]
    [InlineData(0u, 1000u, true)]
    [InlineData(0u, 0u, true)]
    [InlineData(1001u, 1000u, false)]
    [InlineData(1000u, 0u, false)]
    [InlineData(65534u, 1000u, false)]
    public void Only_the_same_user_and_root_may_command(uint peer, uint own, bool allowed) =>
        Assert.Equal(allowed, PeerCheck.IsAllowed(peer, own));

    private void Serve(ControlOptions? options = null, bool start = true)
    {
        _server = ControlServer.Open(SocketPath, _forwards, ControlCommandsTests.Plan, _ => { }, options);
        if (start) _server.Start();
    }

    private static Socket Unconnected() =>
        new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = (int)Limit.TotalMilliseconds };

    private Socket Connect()
    {
        Socket socket = Unconnected();
        socket.Connect(new UnixDomainSocketEndPoint(SocketPath));
        return socket;
    }

    private static string ReadToEnd(Socket socket)
    {
        var all = new MemoryStream();
        var buffer = new byte[65536];
        while (socket.Receive(buffer) is int count and > 0) all.Write(buffer, 0, count);
        return Encoding.UTF8.GetString(all.ToArray());
    }
}
