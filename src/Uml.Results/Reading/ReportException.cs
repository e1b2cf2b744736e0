namespace Uml.CI;

/// <summary>A file that should be a report cannot be read as one. The message is one line, and names the file and the place.</summary>
public sealed class ReportException : Exception
{
    /// <summary>Makes one.</summary>
    /// <param name="file">The file.</param>
    /// <param name="problem">What is wrong, and where.</param>
    /// <param name="innerException">What told.</param>
    public ReportException(string file, string problem, Exception? innerException = null)
        : base($"{file}: {problem}", innerException)
    {
        File = file;
    }

    /// <summary>The file.</summary>
    public string File { get; }
}
