using Slirp.Linux.Confinement;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Confinement;

public sealed class ConfinementTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("slirp-confine-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_filter_binds_all_threads_and_the_runtime_lives_on_under_it()
    {
        var (status, output) = HelperProcess.RunAsRoot("seccomp");
        Assert.Equal("""
            early ENOSYS
            work done
            execve EPERM
            socket EAFNOSUPPORT
            unnamed ENOSYS
            clone EPERM
            one of None EXDEV None EXDEV
            limit EPERM

            """, output);
        Assert.Equal(0, status);
    }

    [Fact]
    public void Landlock_leaves_what_was_granted_to_all_threads()
    {
        if (Landlock.Abi == 0)
        {
            Assert.Equal(LandlockFiles.None, Landlock.AllFiles);
            Assert.Throws<LinuxException>(() => Landlock.Begin());
            return;
        }
        File.WriteAllText($"{_directory}/file", "");
        string self = typeof(ConfinementTests).Assembly.Location;
        var (status, output) = HelperProcess.RunAsRoot("landlock", _directory, self);
        string ports = Landlock.Abi >= 4 ? "port 9 tried port 10 denied" : "port 9 tried port 10 tried";
        Assert.Equal($"missing ENOENT\nread None write EACCES outside EACCES early EACCES\n{ports}\n", output);
        Assert.Equal(0, status);
    }

    [RootNamespaceFact]
    public void Capabilities_are_given_up_by_all_threads()
    {
        var (status, output) = HelperProcess.RunAsRoot("capabilities");
        Assert.Equal("""
            several threads True, early None
            CapInh: 0000000000000000 CapPrm: 0000000000000400 CapEff: 0000000000000400 CapBnd: 0000000000000400 CapAmb: 0000000000000000 NoNewPrivs: 1

            """, output);
        Assert.Equal(0, status);
    }

    [Fact]
    public void A_call_that_nothing_ever_makes_ends_the_process()
    {
        const int SIGSYS = 31;
        var (status, output) = HelperProcess.RunAsRoot("fatal");
        Assert.Equal("behind the filter\n", output);
        Assert.Equal(128 + SIGSYS, status);
    }

    [RootNamespaceFact]
    public void A_narrow_root_holds_what_was_named_for_all_threads()
    {
        File.WriteAllText($"{_directory}/file", "");
        var (status, output) = HelperProcess.RunAsRoot("root", _directory);
        Assert.Equal("""
            others ENOENT ENOENT
            visible None
            write EROFS EROFS
            early ENOENT

            """, output);
        Assert.Equal(0, status);
        Assert.True(File.Exists($"{_directory}/file"));
    }

    [RootNamespaceFact]
    public void A_plain_user_begins_anew_as_root_of_a_user_namespace()
    {
        using var holder = new NamespaceHolder(asNobody: true);
        var (status, output) = HelperProcess.RunAsNobody("anew", holder.UserPath, "an argument, as it was");
        Assert.Equal("inside True as 0, CAP_SYS_ADMIN True, told \"an argument, as it was\"\n", output);
        Assert.Equal(0, status);
    }

    [RootNamespaceFact]
    public void A_namespace_that_is_not_there_changes_nothing()
    {
        var (status, output) = HelperProcess.RunAsNobody("anew", "/proc/self/ns/nothing", "");
        Assert.Equal("", output);
        Assert.Equal((int)Errno.ENOENT, status);
    }
}
