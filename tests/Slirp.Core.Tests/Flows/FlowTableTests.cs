using Slirp.Core.Flows;
using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;
using Xunit;

namespace Slirp.Core.Tests.Flows;

public sealed class FlowTableTests
{
    private sealed class Entry(FlowKey key) : IFlow
    {
        public FlowKey Key { get; } = key;
        public int Index { get; set; }
        public int Generation { get; set; }
    }

    private static FlowKey Key(int n) => new(
        new IpEndpoint(new Ipv4Address(0x0a00_0200 + (uint)(n & 3)), (ushort)(n >> 2)), FrameFactory.Endpoint("192.0.2.7", 80));

    /// <summary>The same operations on the table and on a Dictionary must never give different answers.</summary>
    [Theory]
    [InlineData(40, 1_000)] // hardly ever grows, much reuse
    [InlineData(3_000, 2_000)] // meets its limit
    [InlineData(20_000, 100_000)]
    public void It_agrees_with_a_dictionary(int keys, int limit)
    {
        int seed = Environment.TickCount;
        var random = new Random(seed);
        var table = new FlowTable<Entry>(limit);
        var model = new Dictionary<FlowKey, Entry>();
        var dead = new List<(int Index, int Generation)>();
        for (int step = 0; step < 60_000; step++)
        {
            FlowKey key = Key(random.Next(keys));
            bool isKnown = model.TryGetValue(key, out Entry? expected);
            Assert.True(table.TryFind(key, out Entry? found) == isKnown && found == expected, $"seed {seed}, step {step}: lookup");
            if (!isKnown && random.Next(100) < 60)
            {
                var entry = new Entry(key);
                bool hasRoom = model.Count < limit;
                Assert.True(table.TryAdd(entry) == hasRoom, $"seed {seed}, step {step}: add");
                if (hasRoom) model.Add(key, entry);
            }
            else if (isKnown && random.Next(100) < 50)
            {
                table.Remove(expected!);
                model.Remove(key);
                dead.Add((expected!.Index, expected.Generation));
            }
            if (isKnown && model.ContainsKey(key))
                Assert.True(table.TryGet(expected!.Index, expected.Generation, out Entry? same) && same == expected);
            Assert.Equal(model.Count, table.Count);
        }
        foreach ((int index, int generation) in dead)
            Assert.False(table.TryGet(index, generation, out _), $"seed {seed}: a dead reference was obeyed");
        AssertWalk(table, model);
    }

    [Fact]
    public void A_removed_flow_cannot_be_removed_again()
    {
        var table = new FlowTable<Entry>(10);
        var entry = new Entry(Key(1));
        table.TryAdd(entry);
        table.Remove(entry);
        Assert.Throws<InvalidOperationException>(() => table.Remove(entry));
    }

    [Fact]
    public void A_slot_used_again_has_another_generation()
    {
        var table = new FlowTable<Entry>(1);
        var generations = new HashSet<int>();
        for (int i = 0; i < 1_000; i++)
        {
            var entry = new Entry(Key(i));
            Assert.True(table.TryAdd(entry));
            Assert.True(generations.Add(entry.Generation));
            Assert.False(table.TryAdd(new Entry(Key(i + 1))));
            table.Remove(entry);
        }
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(int.MaxValue, 0)]
    [InlineData(63, 0)] // never used
    [InlineData(0, 7)]
    public void A_reference_to_nothing_finds_nothing(int index, int generation)
    {
        var table = new FlowTable<Entry>(10);
        table.TryAdd(new Entry(Key(1)));
        Assert.False(table.TryGet(index, generation, out _));
    }

    [Fact]
    public void An_event_target_survives_its_64_bits()
    {
        foreach (int index in new[] { 0, 1, 65_535, int.MaxValue })
        {
            foreach (int generation in new[] { 0, 1, EventTarget.GenerationMask })
            {
                var target = new EventTarget(EventKind.UdpMapping, index, generation);
                Assert.Equal(target, EventTarget.Unpack(target.Packed));
            }
        }
    }

    private static void AssertWalk(FlowTable<Entry> table, Dictionary<FlowKey, Entry> model)
    {
        int walked = 0;
        for (int slot = 0; slot < table.SlotCount; slot++)
        {
            if (table.At(slot) is not { } entry) continue;
            Assert.Equal(slot, entry.Index);
            Assert.Same(model[entry.Key], entry);
            walked++;
        }
        Assert.Equal(model.Count, walked);
    }
}
