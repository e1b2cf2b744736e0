using Uml.CI;
using Uml.CI.Cli;

ParentWatch.Begin();

return await CommandLine.RunAsync(args);
