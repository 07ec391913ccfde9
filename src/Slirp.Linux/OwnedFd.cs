using Slirp.Linux.Native;

namespace Slirp.Linux;

/// <summary>The right to close one descriptor: closes it once, and never retries close (after EINTR it is closed).</summary>
/// <remarks>Lends its number as one of the typed descriptors, good for one call. There is no finalizer: an owner that
/// is forgotten is a bug that the descriptor count shows.</remarks>
public sealed class OwnedFd : IDisposable
{
    private int _value;

    public OwnedFd(int value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        _value = value;
    }

    public bool IsClosed => Volatile.Read(ref _value) < 0;

    public int Value
    {
        get
        {
            int value = Volatile.Read(ref _value);
            ObjectDisposedException.ThrowIf(value < 0, this);
            return value;
        }
    }

    public TapFd AsTap => new(Value);
    public SocketFd AsSocket => new(Value);
    public NetlinkFd AsNetlink => new(Value);
    public PidFd AsPid => new(Value);
    public RawFd AsRaw => new(Value);

    /// <summary>Takes a descriptor that a call just returned. One that fell among 0, 1 and 2, because the program was
    /// started with those closed, is moved up, so that nothing written to standard output can land in it.</summary>
    public static OwnedFd FromKernel(int value)
    {
        if (value > 2) return new OwnedFd(value);
        SysResult moved = Descriptor.Duplicate(value, lowest: 3);
        _ = Libc.close(value);
        return new OwnedFd(moved.OrThrow("fcntl(F_DUPFD_CLOEXEC)", $"descriptor {value}"));
    }

    /// <summary>Gives the descriptor up without closing it: the caller owns the number from here.</summary>
    public int Release()
    {
        int value = Interlocked.Exchange(ref _value, -1);
        ObjectDisposedException.ThrowIf(value < 0, this);
        return value;
    }

    public void Dispose()
    {
        int value = Interlocked.Exchange(ref _value, -1);
        if (value >= 0) _ = Libc.close(value);
    }
}
