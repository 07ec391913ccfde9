namespace Slirp.Linux.Abi;

// Types in this namespace carry the C name of the struct and its fields: the tests compile C against the system
// headers and compare size and offsets, and fail for one that the headers do not know.
internal struct pollfd
{
    public int fd;
    public short events;
    public short revents;
}
