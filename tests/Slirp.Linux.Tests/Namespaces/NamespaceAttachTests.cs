using Slirp.Linux.Namespaces;
using Slirp.Linux.Tap;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Namespaces;

public class NamespaceAttachTests
{
    [NamespaceFact]
    public void Makes_a_tap_inside_and_leaves_this_process_outside()
    {
        using var holder = new NamespaceHolder();
        string before = new FileInfo("/proc/self/ns/net").LinkTarget!;
        using (AttachedNamespace attached = Attach(holder, "tap0"))
        {
            using TapDevice tap = TapDevice.FromAttached(attached.TapQueues);
            Assert.Equal("tap0", tap.Name);
            Assert.True(tap.HasVnetHeader);
            Assert.Equal(["tap0"], holder.Interfaces());
            Assert.Equal(Errno.EAGAIN, TapIo.Read(tap.Queue(0), new byte[100]).Errno);
            Assert.Equal(before, new FileInfo("/proc/self/ns/net").LinkTarget);
        }
        Assert.Empty(holder.Interfaces());
    }

    [NamespaceFact]
    public void Gives_as_many_queues_as_asked_for()
    {
        using var holder = new NamespaceHolder();
        using AttachedNamespace attached = Attach(holder, "tap0", queues: 3);
        using TapDevice tap = TapDevice.FromAttached(attached.TapQueues);
        Assert.Equal(3, tap.QueueCount);
        Assert.True(tap.Flags.HasFlag(TapFlags.IFF_MULTI_QUEUE));
    }

    [NamespaceFact]
    public void A_persistent_device_with_one_queue_gives_one_queue()
    {
        using var holder = new NamespaceHolder();
        MakePersistent(holder, queues: 1);
        using AttachedNamespace attached = Attach(holder, "tap0", queues: 2);
        using TapDevice tap = TapDevice.FromAttached(attached.TapQueues);
        Assert.Equal(1, tap.QueueCount);
        Assert.True(tap.HasVnetHeader);
    }

    [NamespaceFact]
    public void A_persistent_multi_queue_device_can_be_attached_with_one_queue()
    {
        using var holder = new NamespaceHolder();
        MakePersistent(holder, queues: 2);
        using AttachedNamespace attached = Attach(holder, "tap0");
        using TapDevice tap = TapDevice.FromAttached(attached.TapQueues);
        Assert.Equal(1, tap.QueueCount);
        Assert.True(tap.Flags.HasFlag(TapFlags.IFF_MULTI_QUEUE));
    }

    [NamespaceFact]
    public void A_name_in_use_is_told_as_such()
    {
        using var holder = new NamespaceHolder();
        using AttachedNamespace first = Attach(holder, "tap0");
        var e = Assert.Throws<LinuxException>(() => Attach(holder, "tap0"));
        Assert.Equal(Errno.EBUSY, e.Errno);
        Assert.StartsWith("TUNSETIFF on /dev/net/tun (tap0): EBUSY (", e.Message, StringComparison.Ordinal);
        Assert.Contains("in use", e.Message, StringComparison.Ordinal);
    }

    [NamespaceFact]
    public void A_file_that_is_no_namespace_is_told_as_such()
    {
        var e = Assert.Throws<LinuxException>(() =>
            NamespaceAttach.Open(new AttachRequest { NetworkNamespacePath = "/dev/null", TapName = "tap0" }));
        Assert.Equal(("setns(CLONE_NEWNET)", "/dev/null", Errno.EINVAL), (e.Step, e.Subject, e.Errno));
    }

    [NamespaceFact]
    public void A_path_that_does_not_exist_is_told_as_such()
    {
        var e = Assert.Throws<LinuxException>(() =>
            NamespaceAttach.Open(new AttachRequest { NetworkNamespacePath = "/proc/0/ns/net", TapName = "tap0" }));
        Assert.Equal(("open", Errno.ENOENT), (e.Step, e.Errno));
    }

    [NamespaceFact]
    public void Sysctls_are_written_inside_and_a_missing_one_is_a_warning()
    {
        using var holder = new NamespaceHolder();
        using AttachedNamespace attached = NamespaceAttach.Open(new AttachRequest
        {
            UserNamespacePath = holder.UserPath,
            NetworkNamespacePath = holder.NetworkPath,
            TapName = "tap0",
            Sysctls = [new("/proc/sys/net/ipv6/conf/tap0/accept_dad", "0"), new("/proc/sys/net/ipv6/conf/tap9/accept_dad", "0")],
        });
        NamespaceWarning warning = Assert.Single(attached.Warnings);
        Assert.Equal(new NamespaceWarning("write", "/proc/sys/net/ipv6/conf/tap9/accept_dad", Errno.ENOENT), warning);
        var (_, output) = HelperProcess.Run("nsenter", $"--net={holder.NetworkPath}", "cat", "/proc/sys/net/ipv6/conf/tap0/accept_dad");
        Assert.Equal("0", output.Trim());
    }

    [NamespaceFact]
    public void Leaves_no_child_and_no_descriptor_behind()
    {
        using var holder = new NamespaceHolder();
        Attach(holder, "tap0").Dispose(); // what is opened once and kept
        HashSet<string> before = OpenDescriptors.Now();
        for (int i = 0; i < 20; i++)
        {
            Attach(holder, "tap0").Dispose();
            Assert.Throws<LinuxException>(() => Attach(holder, "a_name_that_is_too_long"));
        }
        OpenDescriptors.AssertNoneAddedTo(before);
        AssertNoneUnreaped();
    }

    [NamespaceFact]
    public void Works_while_other_threads_keep_the_collector_busy()
    {
        using var holder = new NamespaceHolder();
        bool stop = false;
        var threads = new Thread[3];
        for (int i = 0; i < threads.Length; i++)
        {
            // Kept alive, or the compiler would put it on the stack and the collector had nothing to do.
            threads[i] = new Thread(() => { while (!Volatile.Read(ref stop)) GC.KeepAlive(new byte[1000]); });
            threads[i].Start();
        }
        int before = GC.CollectionCount(0);
        int attached = 0;
        for (; attached < 50 || GC.CollectionCount(0) == before; attached++) Attach(holder, "tap0").Dispose();
        Volatile.Write(ref stop, true);
        foreach (Thread thread in threads) thread.Join();
        Assert.NotEqual(before, GC.CollectionCount(0));
        AssertNoneUnreaped();
    }

    [RootNamespaceFact]
    public void Root_outside_attaches_to_a_namespace_without_a_user_namespace()
    {
        using var holder = new NamespaceHolder(withUser: false);
        using AttachedNamespace attached = NamespaceAttach.Open(new AttachRequest { NetworkNamespacePath = holder.NetworkPath, TapName = "tap0" });
        Assert.Equal(["tap0"], holder.Interfaces());
    }

    [RootNamespaceFact]
    public void Root_outside_attaches_to_the_namespace_of_a_plain_user()
    {
        using var holder = new NamespaceHolder(asNobody: true);
        using AttachedNamespace attached = Attach(holder, "tap0");
        Assert.Equal(["tap0"], holder.Interfaces());
    }

    [RootNamespaceFact]
    public void A_plain_user_attaches_to_a_namespace_of_its_own()
    {
        OpenTunToAll();
        using var holder = new NamespaceHolder(asNobody: true);
        var (status, output) = HelperProcess.RunAsNobody("attach", holder.UserPath, holder.NetworkPath, "tap7");
        Assert.StartsWith("tap7 ", output, StringComparison.Ordinal);
        Assert.Equal(0, status);
    }

    [RootNamespaceFact]
    public void A_plain_user_that_does_not_enter_the_user_namespace_is_told_why_not()
    {
        OpenTunToAll();
        using var holder = new NamespaceHolder(asNobody: true);
        var (status, output) = HelperProcess.RunAsNobody("attach", "-", holder.NetworkPath, "tap7");
        Assert.StartsWith($"setns(CLONE_NEWNET) on {holder.NetworkPath}: EPERM (", output, StringComparison.Ordinal);
        Assert.Equal(1, status);
    }

    [RootNamespaceFact]
    public void A_plain_user_is_told_that_it_may_not_look_into_another_user_s_process()
    {
        using var holder = new NamespaceHolder();
        var (status, output) = HelperProcess.RunAsNobody("attach", holder.UserPath, holder.NetworkPath, "tap7");
        Assert.StartsWith($"open on {holder.UserPath} (user namespace): EACCES (", output, StringComparison.Ordinal);
        Assert.Equal(1, status);
    }

    [RootNamespaceFact]
    public void Root_inside_a_user_namespace_attaches_to_a_namespace_that_it_owns()
    {
        // The helper is root of a new user namespace and itself sits in the network namespace made with it.
        string self = typeof(NamespaceAttachTests).Assembly.Location;
        var (status, output) = HelperProcess.Run("unshare", "-r", "-n", "dotnet", self, "attach", "/proc/self/ns/user", "/proc/self/ns/net", "tap3");
        Assert.StartsWith("tap3 ", output, StringComparison.Ordinal);
        Assert.Equal(0, status);
    }

    [NamespaceFact]
    public void Works_when_standard_descriptors_are_closed_and_keeps_clear_of_them()
    {
        using var holder = new NamespaceHolder();
        var (status, output) = HelperProcess.RunThroughShell("", "<&- 2>&-", "attach", holder.UserPath, holder.NetworkPath, "tap0");
        Assert.EndsWith("above2=True\n", output, StringComparison.Ordinal);
        Assert.Equal(0, status);
    }

    [NamespaceFact]
    public void Works_when_the_caller_ignores_SIGCHLD()
    {
        using var holder = new NamespaceHolder();
        var (status, output) = HelperProcess.RunThroughShell("trap '' CHLD;", "", "attach", holder.UserPath, holder.NetworkPath, "tap0");
        Assert.StartsWith("tap0 ", output, StringComparison.Ordinal);
        Assert.Equal(0, status);
    }

    private static AttachedNamespace Attach(NamespaceHolder holder, string name, int queues = 1) =>
        NamespaceAttach.Open(new AttachRequest
        {
            UserNamespacePath = holder.UserPath,
            NetworkNamespacePath = holder.NetworkPath,
            TapName = name,
            QueueCount = queues,
        });

    private static void MakePersistent(NamespaceHolder holder, int queues)
    {
        using AttachedNamespace attached = Attach(holder, "tap0", queues);
        using TapDevice tap = TapDevice.FromAttached(attached.TapQueues);
        tap.SetPersistent(true);
    }

    private static void OpenTunToAll() =>
        File.SetUnixFileMode("/dev/net/tun", (UnixFileMode)0b110_110_110);

    /// <summary>A child of another test is reaped in a moment; one that was forgotten never is.</summary>
    private static void AssertNoneUnreaped() =>
        Assert.True(SpinWait.SpinUntil(() => !ChildStates().Contains('Z'), TimeSpan.FromSeconds(30)), "a child was not reaped");

    private static List<char> ChildStates()
    {
        var states = new List<char>();
        foreach (string task in Directory.GetDirectories("/proc/self/task"))
        {
            foreach (string pid in TextOrNothing($"{task}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                string stat = TextOrNothing($"/proc/{pid}/stat");
                if (stat.Length > 0) states.Add(stat[stat.LastIndexOf(')') + 2]);
            }
        }
        return states;
    }

    /// <summary>What procfs says of a task that may end meanwhile.</summary>
    private static string TextOrNothing(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "";
        }
    }
}
