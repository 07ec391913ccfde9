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
            unnamed ENOSYS
            clone EPERM
            one of None EXDEV None EXDEV
            limit EPERM

            """, output);
        Assert.Equal(0, status);
    }

    [Fact]
    public void Landlock_leaves_what_was_granted_to_this_thread_and_later_ones()
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
        Assert.Equal($"missing ENOENT\nread None write EACCES outside EACCES\n{ports}\n", output);
        Assert.Equal(0, status);
    }

    [RootNamespaceFact]
    public void A_program_that_replaces_itself_has_the_restrictions_on_every_thread()
    {
        var (status, output) = HelperProcess.RunAsRoot("capabilities");
        Assert.Equal("""
            thread 400 True
            CapEff: 0000000000000400 CapBnd: 0000000000000400 NoNewPrivs: 1
            environment kept

            """, output);
        Assert.Equal(0, status);
    }
}
