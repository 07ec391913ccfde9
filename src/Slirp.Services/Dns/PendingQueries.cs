using Slirp.Core;
using Slirp.Core.Memory;
using Slirp.Wire;
using Slirp.Wire.Dns;

namespace Slirp.Services.Dns;

/// <summary>One query of the guest's that has no answer yet.</summary>
internal struct PendingQuery
{
    public MacAddress ClientMac;
    public IpEndpoint Client;

    /// <summary>The address of ours that was asked and answers.</summary>
    public IpEndpoint Server;
    public ushort ClientId;
    public int Length;

    /// <summary>Octets of answer the client takes over UDP.</summary>
    public int AnswerLimit;
    public int Fingerprint;

    public ResolverOrder Order;

    /// <summary>Not to be done by two servers, so it is never out at more than one.</summary>
    public bool IsUpdate;

    /// <summary>Resolvers asked, and those that refused: one bit each.</summary>
    public byte Tried, Refused;
    public byte Step;

    /// <summary>The first word of a resolver that it cannot help; NoError while there is none.</summary>
    public DnsResponseCode Failure;

    /// <summary>A later resolver's word that there is no such name, kept until an earlier one has had its time.</summary>
    public OwnedFrame Kept;
    public int KeptLength;
    public byte KeptFrom;

    public readonly bool HasKept => KeptLength > 0;

    /// <summary>The client has its answer; only a resolver that was silent is still waited for.</summary>
    public bool IsAnswered;

    /// <summary>Head of its list in <see cref="QueryAttempts"/>; 0 is none.</summary>
    public int FirstAttempt;

    public Instant StepDue;
    public int Next, Previous;
}

/// <summary>The queries that wait for answers, in the order in which something is due for them.</summary>
/// <remarks>
/// <para>Entry 0 is the ring that links all others: its <c>Next</c> is due first, its <c>Previous</c> last. All waits are
/// equally long, so appending keeps the order and one timer, for the first, is enough.</para>
/// <para>A query repeated by its sender while it waits is found by <see cref="TryFind"/>. The octets of queries are kept in
/// segments that are taken when first needed and stay. Limits: <see cref="Capacity"/> queries of at most
/// <see cref="MaxLength"/> octets.</para>
/// </remarks>
internal sealed class PendingQueries
{
    public const int Capacity = 4096;

    /// <summary>A query that fits the smallest IPv6 packet. What is longer is asked over TCP.</summary>
    public const int MaxLength = 1232;

    private const int PerSegment = 64;
    private const int Ring = 0;

    private readonly Dictionary<Identity, int> _byIdentity = [];
    private readonly byte[]?[] _segments = new byte[]?[Capacity / PerSegment + 1];
    private PendingQuery[] _queries = new PendingQuery[PerSegment];
    private int _used = 1;
    private int _free;

    private readonly record struct Identity(IpEndpoint Client, IpEndpoint Server, ushort Id, int Fingerprint);

    public int Count { get; private set; }

    public bool IsFull => Count >= Capacity;

    /// <summary>The query that is due first; 0 if there is none.</summary>
    public int First => _queries[Ring].Next;

    /// <summary>Good until the next <see cref="Add"/>.</summary>
    public ref PendingQuery this[int index] => ref _queries[index];

    public Span<byte> Octets(int index)
    {
        byte[] segment = _segments[index / PerSegment] ??= GC.AllocateUninitializedArray<byte>(PerSegment * MaxLength);
        return segment.AsSpan(index % PerSegment * MaxLength, _queries[index].Length);
    }

    /// <summary>True if the same client waits for an answer to the same octets already.</summary>
    public bool TryFind(IpEndpoint client, IpEndpoint server, ushort id, ReadOnlySpan<byte> octets, out int index)
    {
        var identity = new Identity(client, server, id, FingerprintOf(octets));
        return _byIdentity.TryGetValue(identity, out index) && Octets(index)[sizeof(ushort)..].SequenceEqual(octets[sizeof(ushort)..]);
    }

    /// <summary>Adds a query at the end of the order; the caller has made room.</summary>
    public int Add(in PendingQuery query, ReadOnlySpan<byte> octets, Instant due)
    {
        int index = Allocate();
        ref PendingQuery entry = ref _queries[index];
        entry = query;
        entry.Length = octets.Length;
        entry.Fingerprint = FingerprintOf(octets);
        octets.CopyTo(Octets(index));
        Append(index, due);
        _byIdentity[IdentityOf(entry)] = index;
        Count++;
        return index;
    }

    public void Remove(int index)
    {
        Forget(index);
        Unlink(index);
        ref PendingQuery query = ref _queries[index];
        query.Next = _free;
        _free = index;
        Count--;
    }

    /// <summary>Its sender is free to ask the same again: it will be a new query.</summary>
    public void Forget(int index)
    {
        Identity identity = IdentityOf(_queries[index]);
        if (_byIdentity.TryGetValue(identity, out int known) && known == index) _byIdentity.Remove(identity);
    }

    /// <summary>Moves a query to the end of the order.</summary>
    public void Postpone(int index, Instant due)
    {
        Unlink(index);
        Append(index, due);
    }

    /// <summary>Everything but the identifier, which is compared by itself. Seeded anew in each process.</summary>
    private static int FingerprintOf(ReadOnlySpan<byte> octets)
    {
        var hash = new HashCode();
        hash.AddBytes(octets[sizeof(ushort)..]);
        return hash.ToHashCode();
    }

    private static Identity IdentityOf(in PendingQuery query) => new(query.Client, query.Server, query.ClientId, query.Fingerprint);

    private int Allocate()
    {
        if (_free != 0)
        {
            int index = _free;
            _free = _queries[index].Next;
            return index;
        }
        if (_used == _queries.Length) Array.Resize(ref _queries, Math.Min(_queries.Length * 2, Capacity + 1));
        return _used++;
    }

    private void Append(int index, Instant due)
    {
        int last = _queries[Ring].Previous;
        _queries[index].StepDue = due;
        _queries[index].Previous = last;
        _queries[index].Next = Ring;
        _queries[last].Next = index;
        _queries[Ring].Previous = index;
    }

    private void Unlink(int index)
    {
        ref PendingQuery query = ref _queries[index];
        _queries[query.Previous].Next = query.Next;
        _queries[query.Next].Previous = query.Previous;
    }
}
