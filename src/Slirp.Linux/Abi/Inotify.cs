namespace Slirp.Linux.Abi;

internal struct inotify_event
{
    public int wd;
    public uint mask;
    public uint cookie;
    public uint len;
}
