namespace Slirp.EndToEnd.Tests.Hostile;

/// <summary>Frames of other attacks, changed at random: most of their structure stays, so that they get far inside.</summary>
internal static class Storm
{
    private const int PartLength = 10_000, PoolLength = 5000;
    private const int EthernetLength = 14;

    /// <summary>In parts, so that a failure is told near its cause. The same seed gives the same frames.</summary>
    public static IEnumerable<Attack> Of(IEnumerable<Attack> attacks, int seed, int count)
    {
        List<byte[]> pool = Pool(attacks);
        var random = new Random(seed);
        for (int part = 0; part * PartLength < count; part++)
            yield return new Attack($"storm, seed {seed}, part {part}", null, Frames(pool, random, Math.Min(PartLength, count - part * PartLength)));
    }

    /// <summary>Some of every attack, however many frames it has.</summary>
    private static List<byte[]> Pool(IEnumerable<Attack> attacks)
    {
        var pool = new List<byte[]>();
        foreach (Attack attack in attacks) pool.AddRange(attack.Frames.Where(frame => frame.Length <= 1514).Take(PoolLength / 100));
        return pool;
    }

    private static IEnumerable<byte[]> Frames(List<byte[]> pool, Random random, int count)
    {
        for (int i = 0; i < count; i++) yield return Bent(pool[random.Next(pool.Count)], random);
    }

    private static byte[] Bent(byte[] frame, Random random)
    {
        byte[] bent = [.. frame];
        for (int changes = random.Next(4); changes > 0 && bent.Length > EthernetLength; changes--)
        {
            // Headers are at the front: half of the changes go there.
            int end = random.Next(2) == 0 ? Math.Min(bent.Length, 80) : bent.Length;
            int at = random.Next(EthernetLength, end);
            bent[at] = random.Next(4) switch { 0 => 0, 1 => 255, 2 => (byte)(bent[at] ^ 1 << random.Next(8)), _ => (byte)random.Next(256) };
        }

        if (random.Next(10) == 0) Array.Resize(ref bent, random.Next(EthernetLength, 1514));
        return bent;
    }
}
