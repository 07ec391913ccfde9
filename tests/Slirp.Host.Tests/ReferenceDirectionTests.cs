using System.Xml.Linq;

namespace Slirp.Host.Tests;

/// <summary>The architecture is the tree: references between projects point one way, and only there.</summary>
public sealed class ReferenceDirectionTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Slirp.Wire"] = [],
        ["Slirp.Linux"] = [],
        ["Slirp.Core"] = ["Slirp.Wire"],
        ["Slirp.Services"] = ["Slirp.Core"],
        ["Slirp.Host"] = ["Slirp.Services", "Slirp.Linux"],
        ["Slirp.Cli"] = ["Slirp.Host"],
    };

    private static DirectoryInfo Source
    {
        get
        {
            DirectoryInfo? directory = new(AppContext.BaseDirectory);
            while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Slirp.sln"))) directory = directory.Parent;
            Assert.NotNull(directory);
            return new DirectoryInfo(Path.Combine(directory.FullName, "src"));
        }
    }

    [Fact]
    public void Every_project_of_the_product_has_its_place()
    {
        IEnumerable<string> found = Source.GetDirectories().Select(d => d.Name).Order();
        Assert.Equal(Allowed.Keys.Order(), found);
    }

    [Theory]
    [InlineData("Slirp.Wire")]
    [InlineData("Slirp.Linux")]
    [InlineData("Slirp.Core")]
    [InlineData("Slirp.Services")]
    [InlineData("Slirp.Host")]
    [InlineData("Slirp.Cli")]
    public void References_point_one_way(string project)
    {
        XDocument file = XDocument.Load(Path.Combine(Source.FullName, project, project + ".csproj"));
        IEnumerable<string> referenced = file.Descendants("ProjectReference")
            .Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value));
        Assert.Equal(Allowed[project].Order(), referenced.Order());
    }

    [Fact]
    public void Only_the_kernel_layer_is_unsafe()
    {
        IEnumerable<string> unsafeProjects = Source.GetFiles("*.csproj", SearchOption.AllDirectories)
            .Where(f => File.ReadAllText(f.FullName).Contains("AllowUnsafeBlocks", StringComparison.Ordinal))
            .Select(f => Path.GetFileNameWithoutExtension(f.Name));
        Assert.Equal(["Slirp.Linux"], unsafeProjects);
    }

    [Theory]
    [InlineData("DateTime.UtcNow")]
    [InlineData("DateTime.Now")]
    [InlineData("Stopwatch")]
    [InlineData("Task.Run")]
    [InlineData("new Thread(")]
    [InlineData("using System.Linq")]
    [InlineData("System.Net.Sockets.Socket")]
    public void Core_reads_no_clock_and_opens_no_socket(string banned)
    {
        IEnumerable<string> guilty = new DirectoryInfo(Path.Combine(Source.FullName, "Slirp.Core"))
            .GetFiles("*.cs", SearchOption.AllDirectories)
            .Where(f => !f.FullName.Contains("/obj/", StringComparison.Ordinal))
            .Where(f => File.ReadAllText(f.FullName).Contains(banned, StringComparison.Ordinal))
            .Select(f => f.Name);
        Assert.Empty(guilty);
    }
}
