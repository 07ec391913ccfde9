using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests;

public class DescriptorTests
{
    [Fact]
    public void A_pipe_carries_octets_and_ends()
    {
        Descriptor.OpenPipe(out OwnedFd readEnd, out OwnedFd writeEnd, nonBlocking: true);
        using OwnedFd r = readEnd, w = writeEnd;
        byte[] buffer = new byte[4];
        Assert.Equal(Errno.EAGAIN, Descriptor.Read(r.AsRaw, buffer).Errno);
        Assert.Equal(2, Descriptor.Write(w.AsRaw, [1, 2]).Raw);
        Assert.Equal(2, Descriptor.Read(r.AsRaw, buffer).Raw);
        w.Dispose();
        Assert.Equal(1, Descriptor.Poll(r.AsRaw, PollEvents.None, 0, out PollEvents ready).Raw);
        Assert.Equal(PollEvents.POLLHUP, ready);
        Assert.Equal(new SysResult(0), Descriptor.Read(r.AsRaw, buffer));
    }

    [Fact]
    public void A_number_that_is_not_open_is_told_at_once()
    {
        var none = new RawFd(999_999);
        Assert.False(Descriptor.IsOpen(none.Value));
        Assert.Equal(1, Descriptor.Poll(none, PollEvents.POLLIN, -1, out PollEvents ready).Raw);
        Assert.Equal(PollEvents.POLLNVAL, ready);
        Assert.Equal(Errno.EBADF, Descriptor.Read(none, new byte[1]).Errno);
        Assert.Equal(Errno.EBADF, Descriptor.Write(none, [1]).Errno);
        Assert.Equal(Errno.EBADF, Descriptor.SetNonBlocking(none).Errno);
        Assert.Equal(Errno.EBADF, Descriptor.Duplicate(none.Value, 3).Errno);
    }

    [Fact]
    public void An_owner_closes_once_and_not_what_it_gave_up()
    {
        Descriptor.OpenPipe(out OwnedFd readEnd, out OwnedFd writeEnd);
        int number = writeEnd.Value;
        writeEnd.Dispose();
        Assert.False(Descriptor.IsOpen(number));
        Assert.Throws<ObjectDisposedException>(() => writeEnd.Value);
        using (var reused = new OwnedFd(Descriptor.Duplicate(readEnd.Value, number).Raw))
        {
            writeEnd.Dispose(); // must not close the number's next owner
            Assert.True(Descriptor.IsOpen(reused.Value));
        }
        int released = readEnd.Release();
        readEnd.Dispose();
        Assert.True(Descriptor.IsOpen(released));
        Descriptor.Close(new RawFd(released));
        Assert.False(Descriptor.IsOpen(released));
    }

    [Fact]
    public void A_file_is_known_by_more_than_its_name()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("slirpnet-identity-");
        try
        {
            using OwnedFd directory = Descriptor.OpenFile(folder.FullName, OpenFlags.O_PATH | ArchitectureOpenFlags.O_DIRECTORY).OwnedOrThrow("open", folder.FullName);
            string one = Path.Combine(folder.FullName, "one"), two = Path.Combine(folder.FullName, "two");
            File.WriteAllText(one, "");
            File.WriteAllText(two, "");
            File.CreateSymbolicLink(Path.Combine(folder.FullName, "link"), one);
            FileIdentity first = Identity("one");
            Assert.NotEqual(first, Identity("two"));
            Assert.NotEqual(first, Identity("link"));
            File.Move(one, one + "b");
            Assert.Equal(first, Identity("oneb"));
            Assert.Equal(Errno.ENOENT, Descriptor.Identify(directory.AsRaw, "one", out _).Errno);

            FileIdentity Identity(string name)
            {
                Assert.True(Descriptor.Identify(directory.AsRaw, name, out FileIdentity identity).IsOk);
                return identity;
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void What_is_opened_does_not_outlive_an_execve()
    {
        using OwnedFd file = Descriptor.OpenFile("/dev/null", OpenFlags.O_RDONLY).OwnedOrThrow("open", "/dev/null");
        string flags = File.ReadAllLines($"/proc/self/fdinfo/{file.Value}")[1];
        Assert.NotEqual(0, Convert.ToInt32(flags.Split('\t')[1], 8) & (int)OpenFlags.O_CLOEXEC);
    }

    [Theory]
    [InlineData("<&-")]
    [InlineData("<&- >&- 2>&-")]
    public void Closed_standard_descriptors_are_filled(string closing)
    {
        Assert.Equal(0, HelperProcess.RunThroughShell("", closing, "standard").Status);
    }

    [Fact]
    public void A_name_with_a_zero_in_it_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Descriptor.OpenFile("/dev/null\0x", OpenFlags.O_RDONLY));
    }

    [Fact]
    public void An_exception_names_step_object_errno_and_remedy()
    {
        var e = new LinuxException("TUNSETIFF", "/dev/net/tun (tap0)", Errno.EPERM);
        Assert.Equal("TUNSETIFF on /dev/net/tun (tap0): EPERM (Operation not permitted)", e.Message);
        e = new LinuxException("open", "x", Errno.ENOENT, "make it", "kernel words");
        Assert.Equal("open on x: ENOENT (No such file or directory), kernel words; make it", e.Message);
    }

    [Fact]
    public void A_result_is_a_value_or_an_errno()
    {
        Assert.Equal((true, Errno.None), (new SysResult(7).IsOk, new SysResult(7).Errno));
        Assert.Equal((false, Errno.EAGAIN), (SysResult.Failure(Errno.EAGAIN).IsOk, SysResult.Failure(Errno.EAGAIN).Errno));
        Assert.Equal(Errno.EIO, Assert.Throws<LinuxException>(() => SysResult.Failure(Errno.EIO).OrThrow("step", "object")).Errno);
        Assert.Equal(7, new SysResult(7).OrThrow("step", "object"));
    }

    [Theory]
    [InlineData("/proc/self/fd/5", 5)]
    [InlineData("/dev/fd/17/api.sock", 17)]
    [InlineData("/proc/self/fd/", null)]
    [InlineData("/proc/self/fd/x", null)]
    [InlineData("/run/netns/5", null)]
    [InlineData(null, null)]
    public void A_path_may_go_through_a_descriptor(string? path, int? number) => Assert.Equal(number, Descriptor.NumberIn(path));
}
