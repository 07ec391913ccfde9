using Slirp.Wire;

namespace Slirp.Host.Tests;

/// <summary>Every way in which a host changes its resolv.conf, on real files with real inotify.</summary>
public sealed class ResolverWatchTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("resolver-watch-").FullName;

    private string PathOf(string name) => Path.Combine(_directory, name);

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static void Names(ResolverWatch watch, string address)
    {
        // The kernel queues events before the call that caused them returns, so nothing is waited for.
        Assert.True(watch.TryUpdate());
        Assert.Equal([new IpEndpoint(IpAddress.Parse(address), 53)], watch.Current.Servers);
        Assert.False(watch.TryUpdate());
    }

    /// <summary>For directories .NET has no such call.</summary>
    private void Turn(string link, string target)
    {
        using var ln = System.Diagnostics.Process.Start("ln", ["-sfn", target, PathOf(link)]);
        ln.WaitForExit();
    }

    [Fact]
    public void Written_in_place()
    {
        File.WriteAllText(PathOf("resolv.conf"), "nameserver 192.0.2.1\n");
        using var watch = new ResolverWatch(PathOf("resolv.conf"));
        Assert.Equal(IpAddress.Parse("192.0.2.1"), watch.Current.Servers[0].Address);
        File.WriteAllText(PathOf("resolv.conf"), "nameserver 192.0.2.2\n");
        Names(watch, "192.0.2.2");
    }

    /// <summary>As where it is mounted from elsewhere, in a container: its directory is told nothing.</summary>
    [Fact]
    public void Written_under_another_name()
    {
        Directory.CreateDirectory(PathOf("elsewhere"));
        File.WriteAllText(PathOf("elsewhere/conf"), "nameserver 192.0.2.1\n");
        using (var ln = System.Diagnostics.Process.Start("ln", [PathOf("elsewhere/conf"), PathOf("resolv.conf")])) ln.WaitForExit();
        using var watch = new ResolverWatch(PathOf("resolv.conf"));
        File.WriteAllText(PathOf("elsewhere/conf"), "nameserver 192.0.2.2\n");
        Names(watch, "192.0.2.2");
        File.WriteAllText(PathOf("elsewhere/conf"), "nameserver 192.0.2.3\n");
        Names(watch, "192.0.2.3");
    }

    [Fact]
    public void Replaced_by_rename()
    {
        File.WriteAllText(PathOf("resolv.conf"), "nameserver 192.0.2.1\n");
        using var watch = new ResolverWatch(PathOf("resolv.conf"));
        File.WriteAllText(PathOf("new"), "nameserver 192.0.2.3\n");
        File.Move(PathOf("new"), PathOf("resolv.conf"), overwrite: true);
        Names(watch, "192.0.2.3");
        File.WriteAllText(PathOf("resolv.conf"), "nameserver 192.0.2.4\n");
        Names(watch, "192.0.2.4");
    }

    [Fact]
    public void Link_turned_and_the_file_behind_it_replaced()
    {
        Directory.CreateDirectory(PathOf("a"));
        Directory.CreateDirectory(PathOf("b"));
        File.WriteAllText(PathOf("a/conf"), "nameserver 192.0.2.1\n");
        File.WriteAllText(PathOf("b/conf"), "nameserver 192.0.2.5\n");
        File.CreateSymbolicLink(PathOf("resolv.conf"), "a/conf");
        using var watch = new ResolverWatch(PathOf("resolv.conf"));
        File.CreateSymbolicLink(PathOf("next"), "b/conf");
        File.Move(PathOf("next"), PathOf("resolv.conf"), overwrite: true);
        Names(watch, "192.0.2.5");
        File.WriteAllText(PathOf("b/new"), "nameserver 192.0.2.6\n");
        File.Move(PathOf("b/new"), PathOf("b/conf"), overwrite: true);
        Names(watch, "192.0.2.6");
    }

    /// <summary>As profiles of a laptop's networks are kept: the file's name stays, a directory on the way to it is turned.</summary>
    [Theory]
    [InlineData("net/current/conf")]
    [InlineData("net/current/../current/./conf")]
    [InlineData("other/current/conf")]
    public void Link_on_the_way_turned(string target)
    {
        Directory.CreateDirectory(PathOf("net/home"));
        Directory.CreateDirectory(PathOf("net/office"));
        File.WriteAllText(PathOf("net/home/conf"), "nameserver 192.0.2.1\n");
        File.WriteAllText(PathOf("net/office/conf"), "nameserver 192.0.2.2\n");
        File.CreateSymbolicLink(PathOf("net/current"), "home/");
        File.CreateSymbolicLink(PathOf("other"), PathOf("net"));
        File.CreateSymbolicLink(PathOf("resolv.conf"), target);
        using var watch = new ResolverWatch(PathOf("resolv.conf"));
        Assert.Equal(IpAddress.Parse("192.0.2.1"), watch.Current.Servers[0].Address);
        Turn("net/current", "office");
        Names(watch, "192.0.2.2");
        File.WriteAllText(PathOf("net/office/conf"), "nameserver 192.0.2.3\n");
        Names(watch, "192.0.2.3");
        File.WriteAllText(PathOf("net/home/conf"), "nameserver 192.0.2.4\n");
        Assert.False(watch.TryUpdate());
        Turn("net/current", "gone");
        Assert.True(watch.TryUpdate());
        Assert.Single(watch.Current.Warnings);
        Directory.CreateDirectory(PathOf("net/gone"));
        File.WriteAllText(PathOf("net/gone/conf"), "nameserver 192.0.2.5\n");
        Names(watch, "192.0.2.5");
        Assert.False(watch.NeedsClock);
    }

    /// <summary>To the kernel it is the parent of where the link leads; its text says another.</summary>
    [Fact]
    public void Parent_of_a_linked_directory()
    {
        Directory.CreateDirectory(PathOf("a/b"));
        File.WriteAllText(PathOf("a/conf"), "nameserver 192.0.2.1\n");
        File.CreateSymbolicLink(PathOf("l"), "a/b");
        File.CreateSymbolicLink(PathOf("resolv.conf"), "l/../conf");
        using var watch = new ResolverWatch(PathOf("resolv.conf"));
        File.WriteAllText(PathOf("new"), "nameserver 192.0.2.2\n");
        File.Move(PathOf("new"), PathOf("a/conf"), overwrite: true);
        Names(watch, "192.0.2.2");
        Assert.Contains(PathOf("a"), watch.Directories);
    }

    /// <summary>What lies beside a link on the way to the file is not ours to read.</summary>
    [Fact]
    public void Readable_is_the_directory_of_each_member_of_the_chain_and_no_other()
    {
        Directory.CreateDirectory(PathOf("run/net"));
        Directory.CreateDirectory(PathOf("var/etc"));
        File.WriteAllText(PathOf("run/net/conf"), "nameserver 192.0.2.1\n");
        File.CreateSymbolicLink(PathOf("var/run"), "../run");
        File.CreateSymbolicLink(PathOf("var/etc/resolv.conf"), "../run/net/conf");
        using var watch = new ResolverWatch(PathOf("var/etc/resolv.conf"));
        Assert.Equal([PathOf("var/etc"), PathOf("var/run/net")], watch.Directories.Order(StringComparer.Ordinal));
        Assert.Single(watch.Current.Servers);
    }

    /// <summary>Whichever comes first each time, it is told of or seen.</summary>
    [Fact]
    public void Made_while_it_is_looked_for()
    {
        for (int i = 0; i < 400; i++)
        {
            File.CreateSymbolicLink(PathOf($"resolv.conf{i}"), $"later{i}/below/conf");
            using var begin = new Barrier(2);
            int head = i * 5;
            var maker = new Thread(() =>
            {
                begin.SignalAndWait();
                Thread.SpinWait(head);
                Directory.CreateDirectory(PathOf($"later{i}/below"));
                File.WriteAllText(PathOf($"later{i}/below/conf"), "nameserver 192.0.2.1\n");
            });
            maker.Start();
            begin.SignalAndWait();
            using var watch = new ResolverWatch(PathOf($"resolv.conf{i}"));
            maker.Join();
            _ = watch.TryUpdate();
            Assert.Single(watch.Current.Servers);
        }
    }

    [Fact]
    public void Missing_at_first_and_its_directory_too()
    {
        File.CreateSymbolicLink(PathOf("resolv.conf"), "later/conf");
        using var watch = new ResolverWatch(PathOf("resolv.conf"));
        Assert.Empty(watch.Current.Servers);
        Directory.CreateDirectory(PathOf("later"));
        _ = watch.TryUpdate(); // the directory is there, the file not yet
        File.WriteAllText(PathOf("later/conf"), "nameserver 2001:db8::53\n");
        Names(watch, "2001:db8::53");
    }

    [Fact]
    public void Deleted_means_no_resolvers()
    {
        File.WriteAllText(PathOf("resolv.conf"), "nameserver 192.0.2.1\n");
        using var watch = new ResolverWatch(PathOf("resolv.conf"));
        File.Delete(PathOf("resolv.conf"));
        while (!watch.TryUpdate())
        {
            Assert.True(watch.NeedsClock && watch.IsInDoubt);
            Thread.Sleep(10); // that long it might be written anew
        }
        Assert.Empty(watch.Current.Servers);
        Assert.False(watch.IsInDoubt);
    }

    [Fact]
    public void Empty_while_it_is_rewritten_means_nothing()
    {
        File.WriteAllText(PathOf("resolv.conf"), "nameserver 192.0.2.1\n");
        using var watch = new ResolverWatch(PathOf("resolv.conf"));
        using (var file = new StreamWriter(PathOf("resolv.conf")))
        {
            Assert.False(watch.TryUpdate());
            Assert.True(watch.IsInDoubt);
            Assert.Single(watch.Current.Servers);
            file.Write("nameserver 192.0.2.2\n");
        }
        Names(watch, "192.0.2.2");
        Assert.False(watch.IsInDoubt);
    }

    [Fact]
    public void Empty_and_then_out_of_reach_is_no_doubt_any_more()
    {
        Directory.CreateDirectory(PathOf("d"));
        File.WriteAllText(PathOf("d/conf"), "nameserver 192.0.2.1\n");
        File.CreateSymbolicLink(PathOf("resolv.conf"), "d/conf");
        using var watch = new ResolverWatch(PathOf("resolv.conf"));
        File.Delete(PathOf("d/conf"));
        Assert.False(watch.TryUpdate());
        Assert.True(watch.IsInDoubt);
        Directory.Delete(PathOf("d"));
        Assert.True(watch.TryUpdate());
        Assert.Single(watch.Current.Warnings);
        Assert.False(watch.IsInDoubt || watch.NeedsClock);
        Assert.Single(watch.Current.Servers);
    }

    [Fact]
    public void A_directory_or_a_link_loop_in_its_place_reads_as_empty()
    {
        Directory.CreateDirectory(PathOf("resolv.conf"));
        using var directory = new ResolverWatch(PathOf("resolv.conf"));
        Assert.Empty(directory.Current.Servers);
        File.CreateSymbolicLink(PathOf("loop"), "loop");
        using var loop = new ResolverWatch(PathOf("loop"));
        Assert.Empty(loop.Current.Servers);
    }

    [Fact]
    public void Other_files_in_the_directory_do_not_concern_it()
    {
        File.WriteAllText(PathOf("resolv.conf"), "nameserver 192.0.2.1\n");
        using var watch = new ResolverWatch(PathOf("resolv.conf"));
        File.WriteAllText(PathOf("hosts"), "nameserver 192.0.2.9\n");
        Assert.False(watch.TryUpdate());
    }
}
