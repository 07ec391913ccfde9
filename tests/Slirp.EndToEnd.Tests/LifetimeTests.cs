using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>What ends slirpnet ends it cleanly: status 0, and the TAP is gone with it.</summary>
public class LifetimeTests
{
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData((int)UnixSignal.Terminate, false)]
    [InlineData((int)UnixSignal.Interrupt, false)]
    [InlineData((int)UnixSignal.Terminate, true)]
    public Task A_signal_ends_it(int signal, bool asUser) =>
        EndsAsync(new SlirpPlan { AsUser = asUser }, network => network.Slirp.Signal((UnixSignal)signal));

    /// <summary>The socket's path is removed however early the signal comes.</summary>
    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData((int)UnixSignal.Terminate)]
    [InlineData((int)UnixSignal.Interrupt)]
    public async Task A_signal_in_the_instant_of_the_bind_leaves_no_socket_file(int signal)
    {
        await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        string path = Path.Combine(Machine.Scratch, $"instant-{signal}");
        for (int i = 0; i < 20; i++)
        {
            await using ChildProcess slirp = ChildProcess.Start(
                [Machine.Binary, "-c", "-a", path, "--netns-type=path", guest.NetPath, GuestNetwork.TapName]);
            while (!File.Exists(path) && !slirp.HasExited) Thread.Yield();
            slirp.Signal((UnixSignal)signal);
            Assert.Equal(0, (await slirp.WaitAsync()).Status);
            Assert.False(File.Exists(path));
        }
    }

    [EndToEndTheory]
    [InlineData(false)]
    [InlineData(true)]
    public Task The_end_of_the_exit_descriptor_ends_it(bool asUser) =>
        EndsAsync(new SlirpPlan { AsUser = asUser }, network => network.Slirp.CloseExitDescriptor());

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(false)]
    [InlineData(true)]
    public Task The_end_of_the_target_ends_it(bool asUser) =>
        EndsAsync(new SlirpPlan { AsUser = asUser, Capture = false }, network => network.Guest.End(), guestLives: false);

    /// <summary>A namespace that has a name lives by it: when the name is removed, nobody can join it any more.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task The_removal_of_a_named_namespace_ends_it()
    {
        string path = Path.Combine(Machine.Scratch, "named-namespace");
        await File.WriteAllTextAsync(path, "");
        await using (TestNamespace guest = await TestNamespace.CreateAsync(asUser: false))
            (await ChildProcess.RunAsync("mount", "--bind", guest.NetPath, path)).Succeeded();
        await using SlirpProcess slirp = SlirpProcess.Start(
            [Machine.Binary, "-c", "-r", "3", "-e", "4", "--netns-type=path", path, GuestNetwork.TapName]);
        try
        {
            await slirp.ReadyAsync();
        }
        finally
        {
            (await ChildProcess.RunAsync("umount", path)).Succeeded();
            File.Delete(path);
        }

        Assert.Equal(0, (await slirp.WaitAsync()).Status);
    }

    /// <summary>As RootlessKit names a namespace that it has detached: by its path in the mount namespace of a process, which
    /// outlives the process where a descriptor holds it.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_path_that_a_process_shows_is_served_as_long_as_the_process_lives()
    {
        const string script = "mount -t tmpfs tmpfs /mnt; touch /mnt/netns; mount --bind /proc/self/ns/net /mnt/netns; echo up; exec cat";
        await using ChildProcess holder = ChildProcess.Start(
            ["unshare", "--mount", "--propagation=private", "--net", "sh", "-c", script], givesStdin: true);
        await holder.StdoutLineAsync("up");
        await using SlirpProcess slirp = SlirpProcess.Start(
            [Machine.Binary, "-c", "-r", "3", "-e", "4", "--netns-type=path", $"/proc/{holder.Pid}/root/mnt/netns", GuestNetwork.TapName]);
        await slirp.ReadyAsync();
        holder.CloseStdin();
        Assert.Equal(0, (await slirp.WaitAsync()).Status);
    }

    /// <summary>Behind our walls a look at such a path is refused: that is no word of its end. So the test waits for more than
    /// one look by the clock.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task A_namespace_in_procfs_is_served_as_long_as_its_process_lives()
    {
        await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        await using SlirpProcess slirp = SlirpProcess.Start(
            [Machine.Binary, "-c", "-r", "3", "-e", "4", "--netns-type=path", $"/proc/{guest.Pid}/ns/net", GuestNetwork.TapName]);
        await slirp.ReadyAsync();
        await Task.Delay(2500);
        (await guest.RunAsync("ip", "link", "show", GuestNetwork.TapName)).Succeeded();
        guest.End();
        Assert.Equal(0, (await slirp.WaitAsync()).Status);
    }

    /// <summary>There is nothing left to serve; whoever waits for this process learns it at once.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task The_removal_of_the_interface_ends_it() =>
        GuestNetwork.WithAsync(new SlirpPlan { Capture = false }, async network =>
        {
            network.SlirpMayEnd();
            await network.GuestRunsAsync($"ip link delete {GuestNetwork.TapName}");
            Assert.Equal(1, (await network.Slirp.WaitAsync()).Status);
        });

    /// <summary>A thread may have a network of its own; it is named as a process is.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task The_target_may_be_a_thread()
    {
        TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        int number = guest.OnThreadInside(Native.gettid);
        await using SlirpProcess slirp = SlirpProcess.Start([Machine.Binary, "-c", "-r", "3", "-e", "4", $"{number}", GuestNetwork.TapName]);
        await using (guest)
        {
            await slirp.ReadyAsync();
            (await guest.RunAsync("ping", "-c", "1", "-W", "50", "10.0.2.2")).Succeeded();
        }

        Assert.Equal(0, (await slirp.WaitAsync()).Status); // the thread has ended
    }

    /// <summary>One end of a socket is told that all is ready, and lives as long as its caller.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task One_descriptor_may_be_for_ready_and_for_the_end()
    {
        await using TestNamespace guest = await TestNamespace.CreateAsync(asUser: false);
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using var ours = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await ours.ConnectAsync(listener.LocalEndPoint!);
        Socket theirs = await listener.AcceptAsync();
        await using ChildProcess slirp = ChildProcess.Start(
            [Machine.Binary, "-c", "-r", "3", "-e", "3", "--netns-type=path", guest.NetPath, GuestNetwork.TapName],
            new Dictionary<int, SafeFileHandle> { [3] = new(theirs.Handle, ownsHandle: false) });
        theirs.Dispose();
        var octet = new byte[2];
        Assert.Equal(1, await ours.ReceiveAsync(octet).WithinAsync("the word that it is ready"));
        (await guest.RunAsync("ping", "-c", "1", "-W", "50", "10.0.2.2")).Succeeded();
        ours.LingerState = new LingerOption(true, 0);
        ours.Dispose();
        Assert.Equal(0, (await slirp.WaitAsync()).Status);
    }

    /// <summary>Whoever restarts a container finds its ports free at once, also where one of its connections is still being seen
    /// off: the host's server has not read what the guest has sent.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task Its_ports_are_free_before_its_last_connection_ends()
    {
        // The look at the connection comes at once, but a machine may stand still for longer than it is seen off.
        const int Attempts = 3;
        bool isFreeFirst = false;
        for (int attempt = 0; attempt < Attempts && !isFreeFirst; attempt++)
            await GuestNetwork.WithAsync(ForwardPlan.With("-p", "8080:80"), async network =>
            {
                var accepted = new TaskCompletionSource<Socket>();
                var mayEnd = new TaskCompletionSource();
                await using var server = new TcpServer(network.Host, IPAddress.Loopback, socket =>
                {
                    accepted.SetResult(socket);
                    return mayEnd.Task;
                });
                using Socket guest = await network.ConnectAsync(AddressFamily.InterNetwork, server.Port);
                Task sending = guest.SendAsync(new byte[64 << 20]);
                Socket held = await accepted.Task.WithinAsync("a connection");
                await UntilAsync(() => held.Available > 0).WithinAsync("the guest's first octets");
                network.SlirpMayEnd();
                network.Slirp.CloseExitDescriptor();
                await UntilAsync(() => MayListen(network)).WithinAsync("the port to be free");
                isFreeFirst = !held.Poll(0, SelectMode.SelectError);
                Assert.Equal(0, (await network.Slirp.WaitAsync()).Status);
                mayEnd.SetResult();
                await sending.ContinueWith(_ => { }, TaskScheduler.Default).WithinAsync("the guest's failure");
            });

        Assert.True(isFreeFirst, "the port was free after the connection's end only");

        static async Task UntilAsync(Func<bool> isSo)
        {
            while (!isSo()) await Task.Delay(1);
        }

        static bool MayListen(GuestNetwork network)
        {
            using Socket next = network.HostNamespace.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                next.Bind(new IPEndPoint(IPAddress.Any, 8080));
                next.Listen();
                return true;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                return false;
            }
        }
    }

    private static Task EndsAsync(SlirpPlan plan, Action<GuestNetwork> end, bool guestLives = true) =>
        GuestNetwork.WithAsync(plan, async network =>
        {
            network.SlirpMayEnd();
            end(network);
            Outcome outcome = await network.Slirp.WaitAsync();
            Assert.Equal(0, outcome.Status);
            if (guestLives)
                Assert.NotEqual(0, (await network.Guest.RunAsync("ip", "link", "show", GuestNetwork.TapName)).Status);
        });
}
