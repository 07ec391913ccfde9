using System.Globalization;
using Slirp.Core.Icmp;
using Slirp.Core.Memory;
using Slirp.Core.Timers;
using Slirp.Core.World;

namespace Slirp.Core;

/// <summary>Hands frames, events and timers to whom they belong, and keeps one flow's trouble its own.</summary>
/// <remarks>
/// <para>An exception out of an engine is a bug of ours that some frame or some answer of the host has found. What it
/// interrupted may be in any state, so the flow it happened to is ended, both ways; every other flow has its state in itself
/// and goes on. The fault is counted, and reported as often as somebody can read it. What the loop does on the fast path is
/// not slower for it: entering a guarded region costs nothing.</para>
/// <para>Each call is guarded by itself, so a fault never makes the loop skip what stands behind it.</para>
/// </remarks>
public sealed class Dispatcher(TimerWheel timers, Counters counters, Action<string> report)
{
    private static readonly int KindCount = Enum.GetValues<EventKind>().Length;

    private readonly IEngine?[] _byKind = new IEngine?[KindCount];
    private readonly List<IEngine> _engines = [];
    private IFrameSink? _ingress;
    private TokenBucket _reports = new(perSecond: 1, burst: 3);

    /// <summary>Where frames go.</summary>
    public void SetIngress(IFrameSink ingress) => _ingress = ingress;

    /// <summary>Sends what is for these kinds to an engine, which has its turn after those registered before it.</summary>
    public void Register(IEngine engine, params ReadOnlySpan<EventKind> kinds)
    {
        if (!_engines.Contains(engine)) _engines.Add(engine);
        foreach (EventKind kind in kinds) _byKind[(int)kind] = engine;
    }

    public bool HasWork
    {
        get
        {
            foreach (IEngine engine in _engines)
                if (engine.HasWork) return true;
            return false;
        }
    }

    /// <summary>Takes in one frame; the caller keeps its share of the slot.</summary>
    public void OnFrame(OwnedFrame frame, int length, Instant now)
    {
        try
        {
            _ingress!.OnFrame(frame, length, now);
        }
        catch (Exception e)
        {
            OnFault(e, "a frame of the guest", now);
        }
    }

    /// <summary>Gives each engine a turn.</summary>
    /// <returns>True if there was something to do.</returns>
    public bool RunReady(Instant now)
    {
        bool worked = false;
        foreach (IEngine engine in _engines)
        {
            if (!engine.HasWork) continue;
            worked = true;
            try
            {
                engine.RunReady(now);
            }
            catch (Exception e)
            {
                OnFault(e, "a flow's turn", now);
            }
        }
        return worked;
    }

    public void OnHostEvents(EventTarget target, HostEvents events, Instant now)
    {
        try
        {
            EngineFor(target).OnHostEvents(target, events, now);
        }
        catch (Exception e)
        {
            OnFault(e, $"an event of {target.Kind}", now);
        }
    }

    /// <summary>Fires every timer that is due.</summary>
    public void FireTimers(Instant now)
    {
        while (timers.TryTakeDue(now, out EventTarget target))
        {
            try
            {
                EngineFor(target).OnTimer(target, now);
            }
            catch (Exception e)
            {
                OnFault(e, $"a timer of {target.Kind}", now);
            }
        }
    }

    /// <summary>Counts and reports an exception, and ends the flow that it happened to.</summary>
    public void OnFault(Exception fault, string where, Instant now)
    {
        counters.Faults++;
        foreach (IEngine engine in _engines) Abandon(engine);
        if (_reports.TryTake(now))
            report(string.Create(CultureInfo.InvariantCulture, $"internal fault {counters.Faults} in {where}; its flow is closed, all others go on: {fault}"));
    }

    private void Abandon(IEngine engine)
    {
        try
        {
            engine.Abandon();
        }
        catch (Exception)
        {
            counters.Faults++; // the flow is out of its tables; what it held may be lost
        }
    }

    private IEngine EngineFor(EventTarget target) =>
        (int)target.Kind < KindCount && _byKind[(int)target.Kind] is { } engine
            ? engine : throw new InvalidOperationException($"nobody registered for {target}");
}

/// <summary>What takes the guest's frames in.</summary>
public interface IFrameSink
{
    /// <param name="frame">The slot; the caller keeps its share.</param>
    /// <param name="length">Octets in it, virtio header included.</param>
    void OnFrame(OwnedFrame frame, int length, Instant now);
}
