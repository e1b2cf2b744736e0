namespace Uml.CI.Cli;

/// <summary>Reads the commands' output by lines, and keeps the places of the repository that it complains of: of a stack trace the innermost.</summary>
internal sealed class OutputMentions(SourceTree sources)
{
    private const int Most = 200;
    private const int MessageLines = 5;
    private const int LongestMessageLine = 500;

    private readonly List<(SourceMention Mention, string File)> _found = [];
    private readonly Queue<string> _before = new();
    private bool _inTrace;
    private bool _traceFound;

    /// <summary>What was found, each with its file relative to the repository.</summary>
    public IReadOnlyList<(SourceMention Mention, string File)> Found => _found;

    /// <summary>Takes a line.</summary>
    public void Add(string line)
    {
        if (_found.Count >= Most)
            return;
        line = SourceMentions.Plain(line);
        if (SourceMentions.IsFrame(line))
        {
            _inTrace = true;
            if (!_traceFound && SourceMentions.InFrame(line) is { } frame && sources.Find(frame.File) is { } known)
            {
                _traceFound = true;
                _found.Add((frame with { Message = _before.Count > 0 ? string.Join('\n', _before) : "see the stack trace in the log" }, known));
            }

            return;
        }

        // What an exception says stands above its trace.
        if (_inTrace || string.IsNullOrWhiteSpace(line))
            _before.Clear();
        (_inTrace, _traceFound) = (false, false);
        if (!string.IsNullOrWhiteSpace(line))
        {
            if (_before.Count == MessageLines)
                _before.Dequeue();
            string said = line.Trim();
            _before.Enqueue(said.Length > LongestMessageLine ? said[..LongestMessageLine] : said);
        }

        if (SourceMentions.InOutput(line) is { } mention && sources.Find(mention.File) is { } file)
            _found.Add((mention, file));
    }
}
