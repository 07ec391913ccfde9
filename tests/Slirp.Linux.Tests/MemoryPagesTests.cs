using Xunit;

namespace Slirp.Linux.Tests;

public sealed class MemoryPagesTests
{
    [Fact]
    public void Whole_pages_go_and_what_lies_around_them_stays()
    {
        byte[] octets = GC.AllocateUninitializedArray<byte>(1 << 20, pinned: true);
        octets.AsSpan().Fill(7);
        int page = Environment.SystemPageSize;
        MemoryPages.Release(octets.AsSpan(page / 2, octets.Length - page));
        Assert.False(octets.AsSpan(0, page / 2).ContainsAnyExcept((byte)7), "octets in front were changed");
        Assert.False(octets.AsSpan(octets.Length - page / 2).ContainsAnyExcept((byte)7), "octets behind were changed");
        int kept = octets.AsSpan().Count((byte)7);
        Assert.InRange(kept, page, 3 * page);
        Assert.Equal(octets.Length - kept, octets.AsSpan().Count((byte)0));
        octets.AsSpan().Fill(9); // and they serve again
        Assert.False(octets.AsSpan().ContainsAnyExcept((byte)9), "octets were lost");
    }

    [Fact]
    public void Less_than_a_page_is_left_alone()
    {
        byte[] octets = [1, 2, 3];
        MemoryPages.Release(octets);
        MemoryPages.Release([]);
        Assert.Equal([1, 2, 3], octets);
    }
}
