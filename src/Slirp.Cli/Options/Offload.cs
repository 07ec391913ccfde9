namespace Slirp.Cli.Options;

/// <summary>What the kernel's TAP device can spare us, for switching off by name.</summary>
[Flags]
public enum Offload
{
    None = 0,

    /// <summary>TCP segmentation: frames of up to 64 KiB whatever the MTU.</summary>
    Tso = 1,

    /// <summary>The same for UDP (UDP_SEGMENT).</summary>
    Uso = 2,

    /// <summary>Checksums left unfinished by the sender.</summary>
    Csum = 4,

    /// <summary>The virtio_net_hdr in front of each frame, which carries all the others.</summary>
    Vnet = 8,

    All = Tso | Uso | Csum | Vnet,
}

/// <summary>The comma-separated list of --no-offload.</summary>
public static class OffloadList
{
    /// <summary>Adds what cannot be had without the one named: the kernel grants no segmentation without checksum
    /// offload (TUNSETOFFLOAD), and nothing at all without virtio_net_hdr.</summary>
    public static bool TryParse(string text, out Offload offloads, out string problem)
    {
        offloads = Offload.None;
        problem = "";
        foreach (string word in text.Split(','))
        {
            Offload off = Named(word);
            if (off == Offload.None)
            {
                problem = $"no-offload has to be a list of tso, uso, csum, vnet or all, not \"{text}\"";
                return false;
            }
            offloads |= off;
        }
        return true;
    }

    private static Offload Named(string word) => word switch
    {
        "tso" => Offload.Tso,
        "uso" => Offload.Uso,
        "csum" => Offload.Csum | Offload.Tso | Offload.Uso,
        "vnet" or "all" => Offload.All,
        _ => Offload.None,
    };
}
