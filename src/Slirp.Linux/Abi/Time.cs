namespace Slirp.Linux.Abi;

internal struct timespec
{
    public long tv_sec;
    public long tv_nsec;
}

internal struct itimerspec
{
    public timespec it_interval;
    public timespec it_value;
}
