using System.Text.RegularExpressions;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>tests/README.md says which test covers which scenario; what it names is there, where it says.</summary>
public class ScenarioTableTests
{
    private const string Here = "EndToEnd";

    private static readonly string Tests = Path.Combine(Machine.Root, "tests");
    private static readonly string[] Readme = File.ReadAllLines(Path.Combine(Tests, "README.md"));

    /// <summary>A cell is a list: classes, Class.Method, methods of the class before, each after the project that it is in where
    /// that is not this one. What has a space in it is a sentence, and names nothing.</summary>
    [Fact]
    public void Every_test_that_a_table_names_exists()
    {
        Dictionary<string, HashSet<string>> projects = Directory.GetDirectories(Tests, "Slirp.*.Tests")
            .ToDictionary(folder => Path.GetFileName(folder).Split('.')[1], NamesIn);
        var missing = new List<string>();
        int count = 0;
        foreach (string cell in CellsOfTests())
            foreach (string part in Regex.Replace(cell, @"\([^)]*\)", "").Split(';'))
            {
                (string project, string within) = (Here, "");
                foreach (string listed in part.Split(','))
                {
                    Match item = Regex.Match(listed.Trim(), @"^(?:(?:Slirp\.)?(?<project>[A-Z]\w+)(?:\.Tests)?: )?(?<name>[A-Z][\w.]*)$");
                    if (!item.Success)
                    {
                        if (Regex.IsMatch(listed, @"\w_\w|\w(?:Tests|\.Tests)\b")) missing.Add($"a name within a sentence: {listed}");
                        continue;
                    }

                    if (item.Groups["project"].Success) (project, within) = (item.Groups["project"].Value, "");
                    string name = item.Groups["name"].Value;
                    HashSet<string> names = projects.GetValueOrDefault(project) ?? [];
                    bool isMethodOfBefore = !names.Contains(name);
                    if (isMethodOfBefore && !names.Contains($"{within}.{name}")) missing.Add($"{project}: {within}.{name}");
                    else if (!isMethodOfBefore) within = name.Contains('_') ? name[..name.LastIndexOf('.')] : name;
                    count++;
                }
            }

        Assert.Empty(missing);
        Assert.InRange(count, 150, int.MaxValue);
    }

    /// <summary>In the text beside the tables.</summary>
    [Fact]
    public void Every_test_that_is_named_anywhere_exists()
    {
        HashSet<string> names = [.. Directory.GetDirectories(Tests, "Slirp.*.Tests").SelectMany(NamesIn)];
        string[] named = [.. Regex.Matches(string.Join('\n', Readme), @"\b[A-Z]\w*(?:[a-z]\w*_\w+|\wTests)\b").Select(match => match.Value).Distinct()];
        Assert.NotEmpty(named);
        Assert.DoesNotContain(named, name => !names.Contains(name) && !names.Any(known => known.EndsWith($".{name}", StringComparison.Ordinal)));
    }

    /// <summary>The cells below a heading that speaks of tests.</summary>
    private static IEnumerable<string> CellsOfTests()
    {
        int column = -1;
        foreach (string line in Readme)
        {
            string[] cells = [.. line.Split('|').Select(cell => cell.Trim())];
            if (!line.StartsWith('|')) column = -1;
            else if (column < 0) column = Array.FindIndex(cells, cell => cell.StartsWith("test", StringComparison.Ordinal)) is var at and > 0 ? at : int.MaxValue;
            else if (column < cells.Length && !cells[column].StartsWith('-')) yield return cells[column];
        }
    }

    /// <summary>Class, Class.Method, both with the folder in front, and folder.</summary>
    private static HashSet<string> NamesIn(string project)
    {
        var names = new HashSet<string>();
        foreach (string file in Directory.EnumerateFiles(project, "*.cs", SearchOption.AllDirectories))
        {
            if (Regex.IsMatch(file, "/(?:obj|bin)/")) continue;
            string code = File.ReadAllText(file), folder = Path.GetFileName(Path.GetDirectoryName(file)!);
            string[] methods = [.. Regex.Matches(code, @"^    public (?:async )?(?:Task|void) (\w+)\(", RegexOptions.Multiline).Select(match => match.Groups[1].Value)];
            names.Add(folder);
            foreach (Match type in Regex.Matches(code, @"^(?:public|internal) [a-z ]*\bclass (\w+)", RegexOptions.Multiline))
                foreach (string name in (string[])[type.Groups[1].Value, .. methods.Select(method => $"{type.Groups[1].Value}.{method}")])
                    names.UnionWith([name, $"{folder}.{name}"]);
        }

        return names;
    }
}
