using Slirp.Core;
using Slirp.Core.Memory;
using Slirp.Core.World;

namespace Slirp.Services.Dns;

/// <summary>Whose word is believed that a name does not exist.</summary>
/// <remarks>Resolvers may know different names: a company's own, listed first, and a public one. What the second says of a
/// name that is the first's alone is wrong, and the host's own programs would not have asked it. So a later resolver's
/// NXDOMAIN counts at once only if each before it has refused or was asked in vain for long; else it is kept, those before
/// are asked if they were not, and it is the answer when they have refused or <see cref="PatientSteps"/> are over.</remarks>
public sealed partial class DnsForwarder<TWorld> where TWorld : struct, IWorld
{
    /// <summary>A resolver that has died costs this much of time for each name that does not exist, until it was asked in vain
    /// for <see cref="ResolverList.DoubtTime"/>.</summary>
    public const int PatientSteps = 3;

    /// <returns>False if the answer is to be believed now.</returns>
    private bool TryKeep(int index, int resolver, ReadOnlySpan<byte> answer, Instant now)
    {
        ref PendingQuery query = ref _queries[index];
        if (query.HasKept && query.KeptFrom < resolver) return true; // the better word is there already
        for (int earlier = 0; earlier < resolver; earlier++)
        {
            bool isOpen = (query.Tried & 1 << earlier) == 0 && _resolvers.MayAnswer(earlier);
            if (isOpen) TrySend(index, earlier, now);
        }
        if (query.Step >= PatientSteps || !TryFindAwaited(index, resolver, out _)) return false;
        ReleaseKept(ref query);
        if (!_pool.TryRentFor(answer.Length, out OwnedFrame frame)) return false;
        answer.CopyTo(_pool.Octets(frame));
        (query.Kept, query.KeptLength, query.KeptFrom) = (frame, answer.Length, (byte)resolver);
        return true;
    }

    /// <summary>A resolver listed before that one that may still answer.</summary>
    private bool TryFindAwaited(int index, int before, out int resolver)
    {
        for (int i = _queries[index].FirstAttempt; i != 0; i = _attempts[i].NextOfQuery)
        {
            resolver = UpstreamSockets<TWorld>.ResolverOf(_attempts[i].Slot);
            if (resolver < before && !_attempts[i].IsDoubted && _resolvers.MayAnswer(resolver)) return true;
        }
        resolver = -1;
        return false;
    }

    /// <summary>What it was asked with may have been lost.</summary>
    private void AskAwaitedAgain(int index, Instant now)
    {
        if (TryFindAwaited(index, _queries[index].KeptFrom, out int resolver)) TrySend(index, resolver, now);
    }

    /// <summary>Gives out what was kept unless better may come.</summary>
    private bool TrySettleKept(int index)
    {
        ref PendingQuery query = ref _queries[index];
        if (query.Step < PatientSteps && TryFindAwaited(index, query.KeptFrom, out _)) return false;
        SendAnswer(index, _pool.Octets(query.Kept)[..query.KeptLength], isCut: false);
        RemoveIfDone(index);
        return true;
    }

    private void ReleaseKept(ref PendingQuery query)
    {
        if (query.HasKept) _pool.Release(query.Kept);
        query.KeptLength = 0;
    }
}
