using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>
/// Scenario 14: somebody has used up the user's inotify instances. A target's end is a process's, which needs none; a path is
/// looked at by the clock. slirpnet runs in a user namespace that grants none.
/// </summary>
public class InotifyTests
{
    private const string UseUp = "echo 0 >/proc/sys/user/max_inotify_instances";

    /// <summary>In front of a command: it has a user namespace of its own, without inotify.</summary>
    public static string[] UsedUp => ["unshare", "-Ur", "sh", "-c", $"{UseUp} && exec \"$@\"", "sh"];

    public static bool HasInotify(int pid) => Array.Exists(
        Directory.GetFileSystemEntries($"/proc/{pid}/fd"), file => new FileInfo(file).LinkTarget?.Contains("inotify", StringComparison.Ordinal) == true);

    [EndToEndFact(SlirpnetOnly = true)]
    public Task With_inotify_it_is_used() => GuestNetwork.WithAsync(new SlirpPlan { Capture = false }, network =>
    {
        Assert.True(HasInotify(network.Slirp.Pid));
        return Task.CompletedTask;
    });

    /// <summary>One after the other on the same port, which the end of each has to give back.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public async Task The_end_of_the_target_ends_it_and_its_port_is_free()
    {
        await using TestNamespace host = await TestNamespace.CreateAsync(asUser: false);
        (await host.RunAsync("ip", "link", "set", "lo", "up")).Succeeded();
        for (int i = 0; i < 5; i++)
        {
            await using TestNamespace guest = await GuestAsync();
            await using SlirpProcess slirp = SlirpProcess.Start(host.Inside(
                [.. Within(guest), Machine.Binary, "-c", "-r", "3", "-e", "4", "-p", "8080:80", $"{guest.Pid}", GuestNetwork.TapName]));
            await slirp.ReadyAsync();
            Assert.False(HasInotify(slirp.Pid));
            await using var server = new TcpServer(guest, IPAddress.Any, TcpServer.EchoAsync, 80);
            using Socket client = host.CreateSocket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(IPAddress.Loopback, 8080).WithinAsync($"connection {i}");
            await EchoFlow.BeatAsync(client, i);
            guest.End();
            Assert.Equal(0, (await slirp.WaitAsync()).Status);
        }
    }

    [EndToEndFact(SlirpnetOnly = true)]
    public async Task The_removal_of_a_named_namespace_ends_it()
    {
        string path = Path.Combine(Machine.Scratch, "named-without-inotify");
        await File.WriteAllTextAsync(path, "");
        await using TestNamespace guest = await GuestAsync();
        (await ChildProcess.RunAsync("mount", "--bind", guest.NetPath, path)).Succeeded();
        await using SlirpProcess slirp = SlirpProcess.Start(
            [.. Within(guest), Machine.Binary, "-c", "-r", "3", "-e", "4", "--netns-type=path", path, GuestNetwork.TapName]);
        try
        {
            await slirp.ReadyAsync();
            Assert.False(HasInotify(slirp.Pid));
            (await guest.RunAsync("ip", "link", "show", GuestNetwork.TapName)).Succeeded();
        }
        finally
        {
            (await ChildProcess.RunAsync("umount", path)).Succeeded();
            File.Delete(path);
        }

        Assert.Equal(0, (await slirp.WaitAsync()).Status);
    }

    private static async Task<TestNamespace> GuestAsync()
    {
        TestNamespace guest = await TestNamespace.CreateAsync(asUser: true);
        try
        {
            (await ChildProcess.RunAsync([.. Within(guest), "sh", "-c", UseUp])).Succeeded();
            return guest;
        }
        catch
        {
            await guest.DisposeAsync();
            throw;
        }
    }

    /// <summary>In front of a command: it runs as root of the guest's user namespace.</summary>
    private static string[] Within(TestNamespace guest) =>
        ["nsenter", "-t", $"{guest.Pid}", "-U", .. Machine.AsUser.Length == 0 ? ["--preserve-credentials"] : Array.Empty<string>()];
}
