using System.Text;
using Slirp.Linux.Events;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Events;

public sealed class InotifyTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("slirp-inotify-").FullName;
    private readonly Inotify _inotify;

    public InotifyTests()
    {
        Assert.True(Inotify.TryOpen(out Inotify? inotify).IsOk);
        _inotify = inotify!;
    }

    public void Dispose()
    {
        _inotify.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void A_write_a_rename_over_it_and_a_turned_link_are_seen_in_the_directory()
    {
        int watch = _inotify.Add(_directory, InotifyMask.IN_CLOSE_WRITE | InotifyMask.IN_MOVED_TO | InotifyMask.IN_CREATE | InotifyMask.IN_ONLYDIR).Raw;
        Assert.True(watch > 0);
        Assert.Empty(Events());
        File.WriteAllText($"{_directory}/resolv.conf", "a");
        Assert.Equal(["IN_CREATE resolv.conf", "IN_CLOSE_WRITE resolv.conf"], Events());
        File.WriteAllText($"{_directory}/new", "b");
        File.Move($"{_directory}/new", $"{_directory}/resolv.conf", overwrite: true);
        Assert.Equal(["IN_CREATE new", "IN_CLOSE_WRITE new", "IN_MOVED_TO resolv.conf"], Events());
        File.CreateSymbolicLink($"{_directory}/link", "resolv.conf");
        Assert.Equal(["IN_CREATE link"], Events());
        Assert.True(_inotify.Remove(watch).IsOk);
        Assert.Equal(["IN_IGNORED "], Events());
    }

    [Fact]
    public void A_watched_file_tells_of_itself_without_a_name()
    {
        File.WriteAllText($"{_directory}/file", "a");
        Assert.True(_inotify.Add($"{_directory}/file", InotifyMask.IN_MODIFY | InotifyMask.IN_DELETE_SELF).IsOk);
        File.AppendAllText($"{_directory}/file", "b");
        Assert.Equal(["IN_MODIFY "], Events());
        File.Delete($"{_directory}/file");
        Assert.Equal(["IN_DELETE_SELF ", "IN_IGNORED "], Events());
    }

    [Fact]
    public void What_cannot_be_watched_is_told()
    {
        Assert.Equal(Errno.ENOENT, _inotify.Add($"{_directory}/none", InotifyMask.IN_MODIFY).Errno);
        Assert.Equal(Errno.ENOTDIR, _inotify.Add("/dev/null", InotifyMask.IN_CREATE | InotifyMask.IN_ONLYDIR).Errno);
        Assert.Equal(Errno.EINVAL, _inotify.Remove(12345).Errno);
    }

    [Fact]
    public void Half_an_event_is_no_event()
    {
        _ = _inotify.Add(_directory, InotifyMask.IN_CREATE);
        File.WriteAllText($"{_directory}/file", "");
        var buffer = new byte[512];
        int length = _inotify.Read(buffer).Raw;
        for (int cut = 0; cut < length; cut++)
        {
            InotifyReader reader = Inotify.Parse(buffer.AsSpan(0, cut));
            Assert.False(reader.Next());
        }
    }

    private List<string> Events()
    {
        var events = new List<string>();
        var buffer = new byte[4096];
        SysResult read = _inotify.Read(buffer);
        if (!read.IsOk)
        {
            Assert.Equal(Errno.EAGAIN, read.Errno);
            return events;
        }
        InotifyReader reader = Inotify.Parse(buffer.AsSpan(0, read.Raw));
        while (reader.Next()) events.Add($"{reader.Mask} {Encoding.UTF8.GetString(reader.Name)}");
        return events;
    }
}
