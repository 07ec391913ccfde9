using System.Collections.Immutable;
using System.Text;

namespace Slirp.Cli.Options;

public enum GetOptKind
{
    Option,
    Positional,

    /// <summary>The text is the line getopt_long would have written, without its end of line.</summary>
    Error,
}

/// <param name="Option">Null unless the kind is <see cref="GetOptKind.Option"/>.</param>
/// <param name="Text">The option's value (empty if it takes none), the positional, or the error line.</param>
public readonly record struct GetOptItem(GetOptKind Kind, OptionDeclaration? Option, string Text);

/// <summary>Walks a command line as getopt_long(3) of the GNU C library does, and words its errors the same.</summary>
/// <remarks>
/// Long options may be abbreviated to any prefix that fits one of them only and take their value as <c>--x=v</c> or
/// as the next argument, whatever that looks like; short ones may be bundled (<c>-ce3</c>, <c>-e 3</c>). Options may
/// follow positionals, which are handed out where they stand, unless the walk is told to stop at the first one (as
/// with a leading '+' in C); <c>--</c> makes the rest positional. Nothing is validated ahead: the caller sees the
/// items in order, so that the first mistake on the line is the one reported, and --help before it wins.
///
/// Two differences, on purpose: POSIXLY_CORRECT is not looked at, since the environment of whoever spawned us should
/// not change the meaning of an argument list; and options marked as our own extension are candidates for an
/// abbreviation only where none of slirp4netns' options is.
/// </remarks>
public sealed class GetOptLong(
    string argv0, ImmutableArray<OptionDeclaration> table, IReadOnlyList<string> arguments, bool stopAtPositional)
{
    private int _next;
    private string _bundle = "";
    private int _bundleOffset;
    private bool _restIsPositional;

    /// <returns>False at the end of the line. After an error the walk may go on as getopt_long would.</returns>
    public bool TryNext(out GetOptItem item)
    {
        if (_bundleOffset < _bundle.Length)
        {
            item = NextShort();
            return true;
        }
        item = default;
        if (_next >= arguments.Count) return false;
        string argument = arguments[_next++];
        if (!_restIsPositional && argument == "--")
        {
            _restIsPositional = true;
            if (_next >= arguments.Count) return false;
            argument = arguments[_next++];
        }
        item = Classify(argument);
        return true;
    }

    private GetOptItem Classify(string argument)
    {
        bool isOption = !_restIsPositional && argument.Length > 1 && argument[0] == '-';
        if (!isOption)
        {
            _restIsPositional |= stopAtPositional;
            return new GetOptItem(GetOptKind.Positional, null, argument);
        }
        if (argument[1] == '-') return LongOption(argument);
        _bundle = argument;
        _bundleOffset = 1;
        return NextShort();
    }

    private GetOptItem LongOption(string argument)
    {
        int equals = argument.IndexOf('=', StringComparison.Ordinal);
        string name = equals < 0 ? argument[2..] : argument[2..equals];
        OptionDeclaration? option = Resolve(name, argument, out string error);
        if (option is null) return Error(error);
        if (!option.TakesValue)
            return equals < 0 ? Found(option, "") : Error($"option '--{option.Name}' doesn't allow an argument");
        if (equals >= 0) return Found(option, argument[(equals + 1)..]);
        return _next < arguments.Count
            ? Found(option, arguments[_next++])
            : Error($"option '--{option.Name}' requires an argument");
    }

    private OptionDeclaration? Resolve(string name, string argument, out string error)
    {
        error = "";
        foreach (OptionDeclaration option in table)
            if (option.Name == name) return option;
        List<OptionDeclaration> candidates = Candidates(name, extensions: false);
        if (candidates.Count == 0) candidates = Candidates(name, extensions: true);
        if (candidates.Count == 1) return candidates[0];
        error = candidates.Count == 0 ? $"unrecognized option '{argument}'" : Ambiguous(argument, candidates);
        return null;
    }

    private List<OptionDeclaration> Candidates(string prefix, bool extensions)
    {
        var candidates = new List<OptionDeclaration>();
        foreach (OptionDeclaration option in table)
            if (option.IsExtension == extensions && option.Name.StartsWith(prefix, StringComparison.Ordinal))
                candidates.Add(option);
        return candidates;
    }

    private static string Ambiguous(string argument, List<OptionDeclaration> candidates)
    {
        var text = new StringBuilder($"option '{argument}' is ambiguous; possibilities:");
        foreach (OptionDeclaration option in candidates) text.Append(" '--").Append(option.Name).Append('\'');
        return text.ToString();
    }

    private GetOptItem NextShort()
    {
        // Octets that are no UTF-8 arrive as U+FFFD or half a surrogate pair; decoding takes them for one letter each.
        _ = Rune.DecodeFromUtf16(_bundle.AsSpan(_bundleOffset), out Rune letter, out int length);
        _bundleOffset += length;
        OptionDeclaration? option = FindShort(letter);
        if (option is null) return Error($"invalid option -- '{letter}'");
        if (!option.TakesValue) return Found(option, "");
        string rest = _bundle[_bundleOffset..];
        _bundleOffset = _bundle.Length;
        if (rest.Length > 0) return Found(option, rest);
        return _next < arguments.Count
            ? Found(option, arguments[_next++])
            : Error($"option requires an argument -- '{letter}'");
    }

    private OptionDeclaration? FindShort(Rune letter)
    {
        foreach (OptionDeclaration option in table)
            if (option.Letter is char declared && letter.Value == declared) return option;
        return null;
    }

    private static GetOptItem Found(OptionDeclaration option, string value) => new(GetOptKind.Option, option, value);

    private GetOptItem Error(string text) => new(GetOptKind.Error, null, $"{argv0}: {text}");
}
