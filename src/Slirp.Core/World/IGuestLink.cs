namespace Slirp.Core.World;

/// <summary>What a link does for us, probed when it was opened; each may be switched off.</summary>
[Flags]
public enum LinkOffloads
{
    None = 0,

    /// <summary>Frames carry a <see cref="Wire.VirtioNetHeader"/>; without it none of the others is possible.</summary>
    VirtioHeader = 1,

    /// <summary>Checksums may be left unfinished, both ways (TUN_F_CSUM).</summary>
    Checksum = 2,
    TcpSegmentation4 = 4,
    TcpSegmentation6 = 8,

    /// <summary>TUN_F_TSO_ECN.</summary>
    TcpSegmentationEcn = 16,

    /// <summary>TUN_F_USO4 and TUN_F_USO6, kernel 6.2.</summary>
    UdpSegmentation = 32,

    All = 63,
}

public enum LinkResult
{
    Ok,

    /// <summary>The interface is down (EIO) or gone: the frame is lost, as on a pulled cable.</summary>
    Down,

    /// <summary>The kernel has no room (EAGAIN, ENOBUFS): the frame is lost.</summary>
    Busy,
}

/// <summary>The wire to the guest.</summary>
public interface IGuestLink
{
    /// <summary>Sends one frame: <paramref name="headers"/> begins with the 10-octet virtio_net header (which a link
    /// without <see cref="LinkOffloads.VirtioHeader"/> leaves out), then Ethernet and up; the payload follows.</summary>
    LinkResult Transmit(ReadOnlySpan<byte> headers, ReadOnlySpan<byte> payload);
}
