using Slirp.Testing;
using Xunit;

namespace Slirp.Core.Tests.Ip;

/// <summary>Random fragments, honest and not, judged by a model that keeps a list of pieces and compares octet by octet.</summary>
public sealed class ReassemblerModelTests
{
    private sealed class Model
    {
        private readonly List<(int Offset, byte[] Content, bool More)> _pieces = [];

        public bool IsDead { get; private set; }

        public bool IsFinished { get; private set; }

        public byte[]? Add(int offset, byte[] content, bool more)
        {
            if (IsDead) return null;
            foreach ((int o, byte[] c, bool m) in _pieces)
                if (o == offset && m == more && c.AsSpan().SequenceEqual(content)) return null;
            int end = offset + content.Length;
            foreach ((int o, byte[] c, bool m) in _pieces)
            {
                bool overlaps = offset < o + c.Length && o < end;
                bool contradicts = (!m && (!more || end > o + c.Length)) || (!more && o + c.Length > end);
                if (overlaps || contradicts) IsDead = true;
            }
            if (IsDead) return null;
            _pieces.Add((offset, content, more));
            if (_pieces.TrueForAll(p => p.More)) return null;
            int total = _pieces.Max(p => p.Offset + p.Content.Length);
            if (_pieces.Sum(p => p.Content.Length) != total) return null;
            IsFinished = true;
            return [.. _pieces.OrderBy(p => p.Offset).SelectMany(p => p.Content)];
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_agrees_with_a_model(bool v4)
    {
        int seed = Environment.TickCount;
        var random = new Random(seed);
        var h = new ReassemblerHarness();
        var models = new Dictionary<int, Model>();
        byte[] header = ReassemblerHarness.Packet(v4, 8);
        int headerLength = v4 ? 20 : 40, wholes = 0, deaths = 0;
        for (int step = 0; step < 12_000; step++)
        {
            int id = random.Next(1, 40);
            int offset = random.Next(6) * 8;
            bool more = random.Next(4) != 0;
            int length = more ? random.Next(1, 4) * 8 : random.Next(1, 25);
            if (id % 2 == 0 && random.Next(25) != 0)
            {
                // Honest senders cut on one grid: [0,16) [16,32) [32,45).
                offset = random.Next(3) * 16;
                more = offset < 32;
                length = more ? 16 : 13;
            }
            if (offset == 0 && !more) continue; // no fragment at all
            if (!models.TryGetValue(id, out Model? model)) models[id] = model = new Model();
            // Mostly the octets that belong there, so that duplicates occur.
            byte[] content = random.Next(30) == 0 ? FrameFactory.Pattern(length, step) : FrameFactory.Pattern(96)[offset..(offset + length)];

            byte[]? expected = model.Add(offset, content, more);
            byte[]? whole = h.Add(FragmentFactory.Piece(header, offset, content, more, (uint)id));
            Assert.True(expected is null == whole is null, $"seed {seed}, step {step}, id {id}: {offset}+{length}");
            if (whole is not null) Assert.True(whole.AsSpan(headerLength).SequenceEqual(expected), $"seed {seed}, step {step}");
            if (model.IsFinished) wholes++;
            if (model.IsFinished || (random.Next(200) == 0 && Expire(h, models, ref deaths))) models.Remove(id);
            Assert.True(h.Count == models.Count, $"seed {seed}, step {step}: {h.Count} contexts, {models.Count} in the model");
        }
        Assert.True(wholes > 150 && deaths > 150, $"{wholes} whole, {deaths} dead: the test tests nothing");
        h.Wait(31);
        h.AssertNothingHeld();
    }

    private static bool Expire(ReassemblerHarness h, Dictionary<int, Model> models, ref int deaths)
    {
        deaths += models.Values.Count(m => m.IsDead);
        h.Wait(31);
        h.Host.Frames.Clear();
        models.Clear();
        return true;
    }
}
