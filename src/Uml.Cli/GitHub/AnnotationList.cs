namespace Uml.CI.Cli;

/// <summary>The annotations of a step: each said once, whatever number of kernels have it, and no more than GitHub shows.</summary>
/// <remarks>GitHub takes ten errors and ten warnings of a step, and drops what is beyond without a word.</remarks>
internal sealed class AnnotationList
{
    public const int MostOfALevel = 10;
    private const int LongestMessage = 4000;

    private readonly List<(Annotation Annotation, List<string> Kernels)> _all = [];

    /// <summary>Notes an annotation for a kernel; of several for one line and title, the first counts.</summary>
    public void Add(Annotation annotation, string kernel)
    {
        foreach ((Annotation known, List<string> kernels) in _all)
        {
            if (known.Level == annotation.Level && known.File == annotation.File && known.Line == annotation.Line && (known.File is not null || known.Message == annotation.Message) && known.Title == annotation.Title)
            {
                if (!kernels.Contains(kernel, StringComparer.Ordinal))
                    kernels.Add(kernel);
                return;
            }
        }

        _all.Add((annotation, [kernel]));
    }

    /// <summary>Whether an error points at a line of the repository on this kernel.</summary>
    public bool HasPlace(string kernel) => _all.Exists(a => a.Annotation is { Level: AnnotationLevel.Error, File: not null } && a.Kernels.Contains(kernel, StringComparer.Ordinal));

    /// <summary>Whether something of this kernel is said at a line already.</summary>
    public bool HasPlace(string kernel, string file, int line) => _all.Exists(a => a.Annotation.File == file && a.Annotation.Line == line && a.Kernels.Contains(kernel, StringComparer.Ordinal));

    /// <summary>What to print: those with a place first; where there are too many, the last says how many are missing.</summary>
    public IEnumerable<Annotation> Limited()
    {
        foreach (AnnotationLevel level in (AnnotationLevel[])[AnnotationLevel.Error, AnnotationLevel.Warning])
        {
            Annotation[] all = [.. _all.Where(a => a.Annotation.Level == level).Select(a => WithKernels(a.Annotation, a.Kernels)).OrderBy(a => a.File is null)];
            int shown = all.Length > MostOfALevel ? MostOfALevel - 1 : all.Length;
            foreach (Annotation annotation in all.Take(shown))
                yield return annotation;
            if (shown < all.Length)
                yield return new Annotation(level, "More than GitHub shows", $"{all.Length - shown} more are in the job's summary and in its log.");
        }
    }

    private static Annotation WithKernels(Annotation annotation, List<string> kernels)
    {
        string message = annotation.Message.Length > LongestMessage ? WorkflowCommands.Head(annotation.Message, LongestMessage) + " ..." : annotation.Message;
        return annotation with { Message = $"{message}\n({string.Join(", ", kernels)})" };
    }
}
