using System.Text.RegularExpressions;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>tests/README.md says which test covers which scenario; what it names is there.</summary>
public class ScenarioTableTests
{
    private static readonly string Tests = Path.Combine(Machine.Root, "tests");

    [Fact]
    public void Every_test_that_the_table_names_exists()
    {
        string table = File.ReadAllText(Path.Combine(Tests, "README.md"));
        var code = string.Concat(
            from file in Directory.EnumerateFiles(Tests, "*.cs", SearchOption.AllDirectories)
            where !file.Contains("/obj/", StringComparison.Ordinal)
            select File.ReadAllText(file));
        var named = new SortedSet<string>(from match in Regex.Matches(table, @"\b[A-Z](?=\w*[a-z])\w*_\w+\b|\b[A-Z]\w+Tests\b") select match.Value);
        Assert.NotEmpty(named);
        Assert.Empty(named.Where(name => !Regex.IsMatch(code, $@"\b(?:class|Task|void) {name}\b")));
    }
}
