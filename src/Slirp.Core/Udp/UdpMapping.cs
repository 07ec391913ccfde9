using Slirp.Core.Flows;

namespace Slirp.Core.Udp;

/// <summary>A guest UDP endpoint and its host socket.</summary>
public sealed class UdpMapping : DatagramMapping
{
    /// <summary>Somebody has answered.</summary>
    public bool IsAnswered { get; internal set; }

    /// <summary>Every datagram so far went to port 53.</summary>
    public bool IsDnsOnly { get; internal set; }

    /// <summary>Datagrams longer than this are not gathered into trains: the path, or the host, refuses them.</summary>
    internal int TrainLimit { get; set; }

    /// <summary>Questions to port 53 without an answer yet.</summary>
    internal int OpenQuestions { get; set; }

    internal override void Reset(in FlowKey key)
    {
        base.Reset(key);
        IsAnswered = false;
        IsDnsOnly = true;
        OpenQuestions = 0;
        TrainLimit = int.MaxValue;
    }
}
