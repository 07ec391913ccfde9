namespace Slirp.Core.Tcp;

/// <summary>Flows in one state by age, linked through themselves: a flow is in at most one such list.</summary>
internal sealed class AgeList
{
    private TcpFlow? _newest;

    public TcpFlow? Oldest { get; private set; }

    public int Count { get; private set; }

    public void Add(TcpFlow flow)
    {
        flow.Older = _newest;
        flow.Newer = null;
        if (_newest is null) Oldest = flow;
        else _newest.Newer = flow;
        _newest = flow;
        Count++;
    }

    public void Remove(TcpFlow flow)
    {
        if (flow.Older is null) Oldest = flow.Newer;
        else flow.Older.Newer = flow.Newer;
        if (flow.Newer is null) _newest = flow.Older;
        else flow.Newer.Older = flow.Older;
        flow.Older = flow.Newer = null;
        Count--;
    }
}
