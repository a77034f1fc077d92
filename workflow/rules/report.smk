# From runs to what people read: one tidy file, then tables, figures and the page.


localrules:
    collect,  # seconds each: less than it takes to submit them
    tabulate,
    plot,
    report,


rule collect:
    input:
        metrics=[f"<results>/{run.path}/metrics.json" for run in STUDY.runs],
        stats=[f"<results>/{run.path}/stats.csv" for run in STUDY.runs],
    output:
        "<results>/<study>/runs.csv",
    log:
        "<logs>/<study>/collect.log",
    benchmark:
        "<benchmarks>/<study>/collect.tsv"
    conda:
        "../envs/stgnn.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        pipeline=pipeline_path(STUDY.name),
        results=lambda wildcards, output: Path(output[0]).parents[1],
        code=fingerprint("stgnn.report.collect"),
    message:
        "Collect the runs of {params.pipeline}"
    shell:
        "logged {log} python -m stgnn collect {params.pipeline:q} --results {params.results:q} --out {output:q}"


rule tabulate:
    input:
        "<results>/<study>/runs.csv",
    output:
        TABLES,
    log:
        "<logs>/<study>/tabulate.log",
    benchmark:
        "<benchmarks>/<study>/tabulate.tsv"
    conda:
        "../envs/stgnn.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        pipeline=pipeline_path(STUDY.name),
        folder=subpath(output[0], parent=True),
        declared=tables_declared,
        code=fingerprint("stgnn.report.formats") + template_digests(),
    message:
        "Tabulate the runs of {params.pipeline}"
    shell:
        "logged {log} python -m stgnn tabulate {params.pipeline:q} --runs {input:q} --out {params.folder:q}"


rule plot:
    input:
        [f"<results>/{run.path}/{file}" for run in STUDY.runs for file in PLOTTED],
    output:
        FIGURES,
    log:
        "<logs>/<study>/plot.log",
    benchmark:
        "<benchmarks>/<study>/plot.tsv"
    conda:
        "../envs/stgnn.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        pipeline=pipeline_path(STUDY.name),
        folder=subpath(output[0], parent=True),
        results=lambda wildcards, output: Path(output[0]).parents[2],
        declared=figures_declared,
        code=fingerprint("stgnn.report.figures"),
    message:
        "Plot the runs of {params.pipeline}"
    shell:
        "logged {log} python -m stgnn plot {params.pipeline:q} --results {params.results:q} --out {params.folder:q}"


rule report:
    input:
        runs="<results>/<study>/runs.csv",
        tables=TABLES,
        figures=FIGURES,
        manifests=[f"<stores>/{dataset}.manifest.json" for dataset in STUDY.datasets],
    output:
        "<results>/<study>/report.html",
    log:
        "<logs>/<study>/report.log",
    benchmark:
        "<benchmarks>/<study>/report.tsv"
    conda:
        "../envs/stgnn.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        pipeline=pipeline_path(STUDY.name),
        results=lambda wildcards, output: Path(output[0]).parents[1],
        stores=lambda wildcards, input: Path(input.manifests[0]).parent,
        declared=page_declared,
        code=fingerprint("stgnn.report.page") + template_digests(),
    message:
        "Report the runs of {params.pipeline}"
    shell:
        "logged {log} python -m stgnn report {params.pipeline:q} --results {params.results:q} --stores {params.stores:q}"
        " --out {output:q}"
