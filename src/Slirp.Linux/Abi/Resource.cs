namespace Slirp.Linux.Abi;

internal struct rlimit
{
    public ulong rlim_cur;
    public ulong rlim_max;
}
